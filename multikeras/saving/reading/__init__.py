"""Reading files from elsewhere: what is opened, what is checked, every limit."""

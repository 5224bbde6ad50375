"""What multikeras costs, measured beside hand-written references in the same run. `README.md` tells how to run them."""

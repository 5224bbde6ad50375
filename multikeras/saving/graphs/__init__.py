"""Graphs as data: operations of K in configurations, and directories for prediction."""

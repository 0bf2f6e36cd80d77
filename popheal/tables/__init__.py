"""What a procedure is: citations, actions, and tables with their laws."""

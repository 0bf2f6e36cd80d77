"""What knows nothing of Exchange: text, time, files of settings, plain data."""

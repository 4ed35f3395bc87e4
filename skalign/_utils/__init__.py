"""Arrays, rows, labels and parameters: what every room above stands on."""

"""Files of rows, wherever they lie and however they are written."""

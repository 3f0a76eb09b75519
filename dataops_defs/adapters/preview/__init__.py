"""What a file is, and its first rows, found out from as little of it as that takes."""

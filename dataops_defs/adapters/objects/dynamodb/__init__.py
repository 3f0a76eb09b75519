"""Objects in Amazon DynamoDB, or a server that speaks its protocol."""

"""Use cases of loyalty transactions and receipts."""

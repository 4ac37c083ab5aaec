"""Files to examples, and examples to padded batches."""

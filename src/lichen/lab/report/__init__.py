"""What a person looks at afterwards: one file with pictures and tables."""

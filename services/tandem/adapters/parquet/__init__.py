"""Records as Parquet files, in a folder or an object store, by day and tenant."""

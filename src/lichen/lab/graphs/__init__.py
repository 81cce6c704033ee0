"""Who is linked with whom: graphs as arrays of edges, how they are made and what they measure."""

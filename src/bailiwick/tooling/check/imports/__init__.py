"""Who may import whom: the graph of the imports, and the contracts that it keeps."""

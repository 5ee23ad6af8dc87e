"""Shows what runs did: charts for pages, papers and terminals."""

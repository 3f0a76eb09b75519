"""Objects of an ontology type, where they live: written all or nothing, listed, found."""

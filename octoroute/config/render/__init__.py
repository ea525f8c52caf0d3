"""Text made from the schema: the template, the reference page, a starter configuration."""

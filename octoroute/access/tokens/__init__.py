"""OIDC tokens as clients: parsed strictly, verified by the issuer's keys, and made into a principal."""

"""Where prices come from: the providers, the formats that several of them share, and HTTP."""

"""Where prices come from: the providers, the formats that several speak, and HTTP."""

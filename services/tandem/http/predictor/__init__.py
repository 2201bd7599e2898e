"""A model of ours behind the protocols of TGI and OpenAI."""

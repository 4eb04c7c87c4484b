# A small map of LiteLLM's.
mkdir upstream
echo '{"sample_spec": {"mode": "one of chat"}, "acme/other": {"litellm_provider": "acme"}}' \
    > upstream/litellm.json
echo 'export_upstream = "upstream"' > pricing-sync.toml

# Two models of OpenRouter, read on two days; the price of one has fallen.
rm pricing-sync.db
list() {
    cat <<END
{"data": [
  {"id": "deepseek/deepseek-v3.2", "pricing": {"prompt": "$1", "completion": "$2"}},
  {"id": "google/gemini-2.5-pro", "pricing": {"prompt": "0.00000125", "completion": "0.00001",
   "overrides": [{"min_prompt_tokens": 200000, "prompt": "0.0000025", "completion": "0.000015"}]}}
]}
END
}
list 0.00000028 0.00000088 > 17.json
list 0.00000021 0.00000048 > 18.json
pricing-sync sync openrouter --answer 17.json --at 2026-07-17
pricing-sync sync openrouter --answer 18.json --at 2026-07-18

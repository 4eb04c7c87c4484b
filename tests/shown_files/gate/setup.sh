# A list that was wrong by four percent came in on the second day.
rm pricing-sync.db
list() {
    cat <<END
{"data": [
  {"id": "openai/gpt-4o", "pricing": {"prompt": "$1", "completion": "$2"}},
  {"id": "openai/gpt-4o-mini", "pricing": {"prompt": "$3", "completion": "$4"}}
]}
END
}
list 0.0000025 0.00001 0.00000015 0.0000006 > before.json
list 0.0000026 0.0000104 0.00000016 0.00000064 > after.json
pricing-sync sync openrouter --answer before.json --at 2026-11-23
pricing-sync sync openrouter --answer after.json --at 2026-11-25

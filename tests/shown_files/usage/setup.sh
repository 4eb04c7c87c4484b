# Four models of OpenRouter since ten days ago; one of them is a thousand times dearer since now, and
# is held. Then the requests of one gateway, over the last hours.
rm pricing-sync.db
python make_files.py
pricing-sync sync openrouter --answer before.json --at "$(date -u -d '10 days ago' +%FT%TZ)"
pricing-sync sync openrouter --answer now.json

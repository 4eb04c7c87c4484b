# A small map of LiteLLM's, and exchange rates for the models that are sold in yuan.
mkdir upstream
echo '{"sample_spec": {"mode": "one of chat"}, "acme/other": {"litellm_provider": "acme"}}' \
    > upstream/litellm.json
echo 'export_upstream = "upstream"' > pricing-sync.toml
cat > rates.xml <<END
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
 xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref"><Cube>
<Cube time="$(date -u -d '1 day ago' +%F)"><Cube currency="USD" rate="1.1574"/>
<Cube currency="CNY" rate="8.2106"/></Cube></Cube></gesmes:Envelope>
END
pricing-sync exchange-rates --file rates.xml

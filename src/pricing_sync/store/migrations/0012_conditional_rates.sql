-- The conditional rates of a card have a name of their own: overrides are what people set. The
-- views are made again after the migrations.
DROP VIEW IF EXISTS model_pricing;
DROP VIEW IF EXISTS model_pricing_history;

ALTER TABLE pricing_ledger RENAME COLUMN overrides TO conditional_rates;

-- The JSON of a card names them too. Its keys stay sorted: equal cards have equal text.
UPDATE pricing_held SET old = json_object(
    'conditional_rates', json(old -> '$.overrides'),
    'currency', old ->> '$.currency',
    'rates', json(old -> '$.rates')
) WHERE old -> '$.overrides' IS NOT NULL;

UPDATE pricing_held SET new = json_object(
    'conditional_rates', json(new -> '$.overrides'),
    'currency', new ->> '$.currency',
    'rates', json(new -> '$.rates')
) WHERE new -> '$.overrides' IS NOT NULL;

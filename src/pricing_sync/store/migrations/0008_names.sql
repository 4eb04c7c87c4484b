-- A provider of the models.dev catalog has one id. What was set under its name with the prefix moves
-- to the id, unless the same is set there already. SUBSTR counts from 1: the prefix has 11 letters.
UPDATE pricing_overrides SET provider = SUBSTR(provider, 12)
WHERE provider LIKE 'models.dev/%' AND NOT EXISTS (
    SELECT 1 FROM pricing_overrides o
    WHERE o.provider = SUBSTR(pricing_overrides.provider, 12)
        AND o.model = pricing_overrides.model AND o.meter = pricing_overrides.meter
);

UPDATE pricing_announced SET provider = SUBSTR(provider, 12)
WHERE provider LIKE 'models.dev/%' AND NOT EXISTS (
    SELECT 1 FROM pricing_announced a
    WHERE a.provider = SUBSTR(pricing_announced.provider, 12)
        AND a.model = pricing_announced.model AND a.meter = pricing_announced.meter
);

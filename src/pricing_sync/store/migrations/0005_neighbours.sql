-- The rule `company` was renamed to `neighbours`.
UPDATE pricing_held SET reasons = REPLACE(reasons, '"company', '"neighbours')
WHERE reasons LIKE '%"company%';

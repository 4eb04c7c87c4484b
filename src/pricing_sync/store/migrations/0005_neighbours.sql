-- The rule `company` is called `neighbours`.
UPDATE pricing_held SET reasons = REPLACE(reasons, '"company', '"neighbours')
WHERE reasons LIKE '%"company%';

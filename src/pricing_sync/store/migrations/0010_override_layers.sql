-- Overrides are layers: of those of one meter that are in force, the one with the highest number
-- counts. Overrides stored before this migration never overlap, so that one number does for all.
ALTER TABLE pricing_overrides ADD COLUMN layer INTEGER NOT NULL DEFAULT 0;

-- The condition of the rate that an override replaces, as JSON; NULL for the base rate. A flat
-- override also removes the conditional rates of its meter, as all did before this migration.
ALTER TABLE pricing_overrides ADD COLUMN condition TEXT;
ALTER TABLE pricing_overrides ADD COLUMN flat INTEGER NOT NULL DEFAULT 1;

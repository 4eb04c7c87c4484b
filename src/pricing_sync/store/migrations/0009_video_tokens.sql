-- Tokens of video, in and out.
ALTER TABLE pricing_ledger ADD COLUMN input_video BIGINT CHECK (input_video >= 0);

ALTER TABLE pricing_ledger ADD COLUMN output_video BIGINT CHECK (output_video >= 0);

-- Of a read of a catalog: how many prices were read, and how often each price key was not (JSON).
ALTER TABLE pricing_reference_reads ADD COLUMN prices INTEGER NOT NULL DEFAULT 0;

ALTER TABLE pricing_reference_reads ADD COLUMN ignored TEXT NOT NULL DEFAULT '{}';

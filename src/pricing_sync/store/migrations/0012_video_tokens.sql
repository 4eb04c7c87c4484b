-- Tokens of video, in and out.
ALTER TABLE pricing_ledger ADD COLUMN input_video BIGINT CHECK (input_video >= 0);

ALTER TABLE pricing_ledger ADD COLUMN output_video BIGINT CHECK (output_video >= 0);

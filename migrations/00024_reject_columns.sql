-- +goose Up
-- Names that say what the columns hold. Only the catalogue changes, so a table of any size is renamed at
-- once.
ALTER TABLE load_rejects RENAME COLUMN said TO parsed;
ALTER TABLE load_rejects RENAME COLUMN fate TO outcome;
ALTER TABLE load_rejects RENAME CONSTRAINT load_rejects_fate_check TO load_rejects_outcome_check;
COMMENT ON COLUMN load_rejects.parsed IS
    'The values of the row by name; NULL if it could not be split into values.';
COMMENT ON COLUMN load_rejects.outcome IS 'rejected, or not_bought: cancelled, refunded or returned.';

-- +goose Down
COMMENT ON COLUMN load_rejects.outcome IS NULL;
COMMENT ON COLUMN load_rejects.parsed IS
    'What the row says, value by value, where its columns could be told apart.';
ALTER TABLE load_rejects RENAME CONSTRAINT load_rejects_outcome_check TO load_rejects_fate_check;
ALTER TABLE load_rejects RENAME COLUMN outcome TO fate;
ALTER TABLE load_rejects RENAME COLUMN parsed TO said;

DROP TABLE cell.erased_key;

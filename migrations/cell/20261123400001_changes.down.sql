DROP TABLE cell.change;

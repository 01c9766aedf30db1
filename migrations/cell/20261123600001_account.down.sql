DROP FUNCTION cell.account;

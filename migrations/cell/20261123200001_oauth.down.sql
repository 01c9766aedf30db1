DROP TABLE cell.oauth_flow;
DROP TABLE cell.connect_session;
DROP TABLE cell.oauth_grant;

DROP TABLE cell.agent;
DROP TABLE cell.message;
DROP TABLE cell.conversation;
DROP TABLE cell.contact;

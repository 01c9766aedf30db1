DROP TABLE cell.job_schedule;
DROP TABLE cell.job;
DROP TABLE cell.job_lane;

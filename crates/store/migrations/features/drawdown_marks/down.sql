DROP TABLE drawdown_marks;

DROP TABLE rule_commitments;

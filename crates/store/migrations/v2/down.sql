DROP TABLE schema_version;

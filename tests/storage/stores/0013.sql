BEGIN TRANSACTION;
CREATE TABLE "account" (
	account_id INTEGER NOT NULL, 
	program_id TEXT NOT NULL, 
	member_number BIGINT, 
	kind INTEGER NOT NULL, 
	shard INTEGER NOT NULL, 
	balance BIGINT NOT NULL, 
	sequence BIGINT NOT NULL, 
	head BLOB NOT NULL, 
	moved_ms BIGINT DEFAULT 0 NOT NULL, 
	untimed BIGINT DEFAULT 0 NOT NULL, 
	PRIMARY KEY (account_id), 
	CONSTRAINT account_debt_not_positive CHECK (kind <> 7 OR balance <= 0), 
	CONSTRAINT account_balance_not_negative CHECK (kind IN (3, 4, 5, 6) OR kind = 7 OR balance >= 0), 
	CONSTRAINT account_owner CHECK ((kind IN (3, 4, 5, 6)) = (member_number IS NULL)), 
	FOREIGN KEY(member_number) REFERENCES member (number), 
	FOREIGN KEY(program_id) REFERENCES program (program_id)
);
INSERT INTO "account" VALUES(1,'demo-ca',NULL,3,0,-209,4,X'066F8896957EE6B060845DD50200FD56E9D6A70F3751D6984A904E9A82467A2A',1767600019000,0);
INSERT INTO "account" VALUES(2,'demo-ca',NULL,3,1,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(3,'demo-ca',NULL,3,2,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(4,'demo-ca',NULL,3,3,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(5,'demo-ca',NULL,3,4,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(6,'demo-ca',NULL,3,5,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(7,'demo-ca',NULL,3,6,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(8,'demo-ca',NULL,3,7,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(9,'demo-ca',NULL,3,8,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(10,'demo-ca',NULL,3,9,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(11,'demo-ca',NULL,3,10,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(12,'demo-ca',NULL,3,11,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(13,'demo-ca',NULL,3,12,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(14,'demo-ca',NULL,3,13,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(15,'demo-ca',NULL,3,14,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(16,'demo-ca',NULL,3,15,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(17,'demo-ca',NULL,4,0,800,3,X'993873292F85249B47F7F0862E09BCD474A6AB9360567A1CAC85532538C544E8',1767600011000,0);
INSERT INTO "account" VALUES(18,'demo-ca',NULL,4,1,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(19,'demo-ca',NULL,4,2,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(20,'demo-ca',NULL,4,3,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(21,'demo-ca',NULL,4,4,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(22,'demo-ca',NULL,4,5,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(23,'demo-ca',NULL,4,6,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(24,'demo-ca',NULL,4,7,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(25,'demo-ca',NULL,4,8,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(26,'demo-ca',NULL,4,9,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(27,'demo-ca',NULL,4,10,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(28,'demo-ca',NULL,4,11,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(29,'demo-ca',NULL,4,12,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(30,'demo-ca',NULL,4,13,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(31,'demo-ca',NULL,4,14,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(32,'demo-ca',NULL,4,15,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(33,'demo-ca',NULL,5,0,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(34,'demo-ca',NULL,5,1,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(35,'demo-ca',NULL,5,2,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(36,'demo-ca',NULL,5,3,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(37,'demo-ca',NULL,5,4,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(38,'demo-ca',NULL,5,5,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(39,'demo-ca',NULL,5,6,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(40,'demo-ca',NULL,5,7,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(41,'demo-ca',NULL,5,8,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(42,'demo-ca',NULL,5,9,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(43,'demo-ca',NULL,5,10,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(44,'demo-ca',NULL,5,11,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(45,'demo-ca',NULL,5,12,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(46,'demo-ca',NULL,5,13,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(47,'demo-ca',NULL,5,14,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(48,'demo-ca',NULL,5,15,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(49,'demo-ca',NULL,6,0,-9000,1,X'1CB188DE09656EB246C4C2822DF435BB1E6F05E4DBF6962F17CA8997C97DF879',1767600002000,0);
INSERT INTO "account" VALUES(50,'demo-ca',NULL,6,1,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(51,'demo-ca',NULL,6,2,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(52,'demo-ca',NULL,6,3,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(53,'demo-ca',NULL,6,4,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(54,'demo-ca',NULL,6,5,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(55,'demo-ca',NULL,6,6,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(56,'demo-ca',NULL,6,7,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(57,'demo-ca',NULL,6,8,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(58,'demo-ca',NULL,6,9,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(59,'demo-ca',NULL,6,10,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(60,'demo-ca',NULL,6,11,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(61,'demo-ca',NULL,6,12,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(62,'demo-ca',NULL,6,13,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(63,'demo-ca',NULL,6,14,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(64,'demo-ca',NULL,6,15,0,0,X'0000000000000000000000000000000000000000000000000000000000000000',0,0);
INSERT INTO "account" VALUES(65,'demo-ca',1,1,0,7609,17,X'25F97566A5F71C436A7B4CC0D51370F52935349FB551D131EE4A89934DBB7462',1767772824000,0);
INSERT INTO "account" VALUES(66,'demo-ca',1,2,0,800,13,X'E03A0D4F59488B39583C4BC542801CC9DD791D30D1E63A14C853BA974B0181EC',1767772824000,0);
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0013');
CREATE TABLE api_key (
	key_id TEXT NOT NULL, 
	digest BLOB NOT NULL, 
	program_id TEXT NOT NULL, 
	partner TEXT NOT NULL, 
	role TEXT NOT NULL, 
	stores TEXT NOT NULL, 
	created_ms BIGINT NOT NULL, 
	revoked_ms BIGINT, 
	PRIMARY KEY (key_id), 
	FOREIGN KEY(program_id) REFERENCES program (program_id), 
	UNIQUE (digest)
);
INSERT INTO "api_key" VALUES('019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9',X'8CF221A4AEA9127892E96FD9F69B7201DFE2A62E9B2F4F3D971CB7514EDA2DB1','demo-ca','partner','admin','[]',1767600000000,NULL);
CREATE TABLE bucket (
	bucket_id TEXT NOT NULL, 
	program_id TEXT NOT NULL, 
	member_number BIGINT NOT NULL, 
	earned_day TEXT NOT NULL, 
	last_day TEXT NOT NULL, 
	gone_ms BIGINT NOT NULL, 
	rolling INTEGER NOT NULL, 
	version INTEGER NOT NULL, 
	points BIGINT NOT NULL, 
	expired BIGINT NOT NULL, 
	PRIMARY KEY (bucket_id), 
	CONSTRAINT bucket_points_not_negative CHECK (points >= 0 AND expired >= 0), 
	FOREIGN KEY(member_number) REFERENCES member (number)
);
CREATE TABLE bucket_part (
	owner_kind INTEGER NOT NULL, 
	owner_id TEXT NOT NULL, 
	bucket_id TEXT NOT NULL, 
	member_number BIGINT NOT NULL, 
	earned BIGINT NOT NULL, 
	held BIGINT NOT NULL, 
	burned BIGINT NOT NULL, 
	PRIMARY KEY (owner_kind, owner_id, bucket_id), 
	CONSTRAINT bucket_part_not_negative CHECK (earned >= 0 AND held >= 0 AND burned >= 0), 
	FOREIGN KEY(bucket_id) REFERENCES bucket (bucket_id), 
	FOREIGN KEY(member_number) REFERENCES member (number)
);
CREATE TABLE catalog_revision (
	single INTEGER NOT NULL, 
	revision BIGINT NOT NULL, 
	PRIMARY KEY (single), 
	CONSTRAINT catalog_revision_single CHECK (single = 1)
);
INSERT INTO "catalog_revision" VALUES(1,2);
CREATE TABLE code (
	program_id TEXT NOT NULL, 
	digest BLOB NOT NULL, 
	member_number BIGINT NOT NULL, 
	loyalty_id TEXT NOT NULL, 
	status INTEGER NOT NULL, 
	selection TEXT NOT NULL, 
	lifetime_s INTEGER NOT NULL, 
	user_datetime TEXT, 
	created_ms BIGINT NOT NULL, 
	updated_ms BIGINT NOT NULL, 
	expires_ms BIGINT NOT NULL, 
	store_id BIGINT, 
	transaction_id TEXT, 
	claim_key TEXT, 
	answer BLOB, partner TEXT, 
	PRIMARY KEY (program_id, digest), 
	FOREIGN KEY(member_number) REFERENCES member (number)
);
INSERT INTO "code" VALUES('demo-ca',X'C862749C901760732E9442B7D96A372DA3F2AC42D35C8F7856F87DA1D6538CBC',1,'75793908-1df3-4372-8899-adc7ab31855a',2,'[["reward","3e9a71a8-75f8-493a-bb2a-e13f92052427",1]]',300,NULL,1767600003000,1767600004000,1767600303000,9999,'019b8d2b-9ba0-7da8-8666-b5ce3205d878',NULL,NULL,'partner');
INSERT INTO "code" VALUES('demo-ca',X'5FE3B44D5372C32E601C0AD33FB696554BAC57CF4114D7CFDF2D29692912ECAA',1,'75793908-1df3-4372-8899-adc7ab31855a',2,'[["reward","3e9a71a8-75f8-493a-bb2a-e13f92052427",1]]',300,NULL,1767600007000,1767600008000,1767600307000,9999,'019b8d2b-ab40-7ca2-9484-b1fecc3d08d0',NULL,NULL,'partner');
INSERT INTO "code" VALUES('demo-ca',X'B4D6DCC236BB56C99E9E03F8059BCF0AE53DA960C78C2264C90D9CCC05B0F8CC',1,'75793908-1df3-4372-8899-adc7ab31855a',2,'[["reward","3e9a71a8-75f8-493a-bb2a-e13f92052427",1]]',300,NULL,1767600012000,1767600013000,1767600312000,9999,'019b8d2b-bec8-70fa-a981-a057ec323070',NULL,NULL,'partner');
INSERT INTO "code" VALUES('demo-ca',X'41C7F44C0B8B11AFF3589EDF972D5641F53C33346684600D85EFE3B3BF370343',1,'75793908-1df3-4372-8899-adc7ab31855a',2,'[["reward","3e9a71a8-75f8-493a-bb2a-e13f92052427",1]]',300,NULL,1767600020000,1767600021000,1767600320000,9999,'019b8d2b-de08-7862-ba91-87d13a7c704d',NULL,NULL,'partner');
INSERT INTO "code" VALUES('demo-ca',X'8CAEFD9C77BC45BF35E58628BCC675434089FFCFD5D039DD93B927E0369AD782',1,'75793908-1df3-4372-8899-adc7ab31855a',4,'[["reward","3e9a71a8-75f8-493a-bb2a-e13f92052427",1]]',300,NULL,1767600022000,1767772822000,1767600322000,NULL,NULL,NULL,NULL,'partner');
INSERT INTO "code" VALUES('demo-ca',X'3E44E73D2AC378EAE374BBC4B056ABA3D12EDD2483B086A2838953008F35DEC3',1,'75793908-1df3-4372-8899-adc7ab31855a',2,'[["reward","3e9a71a8-75f8-493a-bb2a-e13f92052427",1]]',300,NULL,1767772823000,1767772824000,1767773123000,9999,'019b9778-a1c0-7f78-b05c-9c5add04784b',NULL,NULL,'partner');
INSERT INTO "code" VALUES('demo-ca',X'94739BB64CC6079FAAB103A59C352F6B837720F6CCAEADC03585C7D63038AC7C',1,'75793908-1df3-4372-8899-adc7ab31855a',1,'[["reward","3e9a71a8-75f8-493a-bb2a-e13f92052427",1]]',300,NULL,1767772825000,1767772825000,1767773125000,NULL,NULL,NULL,NULL,'partner');
CREATE TABLE code_month (
	scope TEXT NOT NULL, 
	day INTEGER NOT NULL, 
	shard INTEGER NOT NULL, 
	regulars BIGINT NOT NULL, 
	spent BIGINT NOT NULL, 
	PRIMARY KEY (scope, day, shard)
);
CREATE TABLE code_pepper (
	check_value BLOB NOT NULL, 
	known_ms BIGINT NOT NULL, 
	current_ms BIGINT, 
	PRIMARY KEY (check_value)
);
INSERT INTO "code_pepper" VALUES(X'285B253886CC9E4014F0CB2FC985A9A9822F1BF7F83D05DB4609CD84C7307E40',1767600000000,1767600000000);
CREATE TABLE code_refusal (
	scope TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	program_id TEXT NOT NULL, 
	key_id TEXT NOT NULL, 
	store_id BIGINT, 
	terminal TEXT, 
	failed BIGINT NOT NULL, 
	matched BIGINT NOT NULL, 
	since_ms BIGINT NOT NULL, 
	until_ms BIGINT NOT NULL, 
	PRIMARY KEY (scope)
);
CREATE TABLE code_regular (
	key_id TEXT NOT NULL, 
	member_number BIGINT NOT NULL, 
	counted_ms BIGINT NOT NULL, 
	PRIMARY KEY (key_id, member_number)
);
CREATE TABLE code_tally (
	scope TEXT NOT NULL, 
	hour INTEGER NOT NULL, 
	shard INTEGER NOT NULL, 
	matched BIGINT NOT NULL, 
	failed BIGINT NOT NULL, 
	PRIMARY KEY (scope, hour, shard)
);
INSERT INTO "code_tally" VALUES('key/019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9',491000,0,4,0);
INSERT INTO "code_tally" VALUES('key/019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9/9999',491000,0,4,0);
INSERT INTO "code_tally" VALUES('key/019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9/9999/0',491000,0,4,0);
INSERT INTO "code_tally" VALUES('program/demo-ca',491000,0,4,0);
INSERT INTO "code_tally" VALUES('key/019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9',491048,0,1,0);
INSERT INTO "code_tally" VALUES('key/019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9/9999',491048,0,1,0);
INSERT INTO "code_tally" VALUES('key/019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9/9999/0',491048,0,1,0);
INSERT INTO "code_tally" VALUES('program/demo-ca',491048,0,1,0);
CREATE TABLE event (
	event_id INTEGER NOT NULL, 
	unit BIGINT NOT NULL, 
	kind INTEGER NOT NULL, 
	effective_ms BIGINT NOT NULL, 
	recorded_ms BIGINT NOT NULL, 
	actor_kind INTEGER NOT NULL, 
	actor TEXT, 
	method TEXT, 
	request_id TEXT, 
	program_id TEXT, 
	member_number BIGINT, 
	subject TEXT, 
	before_state INTEGER, 
	after_state INTEGER, 
	available BIGINT, 
	available_sequence BIGINT, 
	held BIGINT, 
	held_sequence BIGINT, 
	debt BIGINT, 
	debt_sequence BIGINT, 
	reason TEXT, 
	detail TEXT, 
	PRIMARY KEY (event_id)
);
INSERT INTO "event" VALUES(1,7619719919669268293,41,1767600000000,1767600000000,2,NULL,NULL,NULL,'demo-ca',NULL,NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'[["add","program",[]],["add","store 1001",[]],["add","store 1002",[]],["add","store 1003",[]],["add","store 1099",[]],["add","store 9999",[]],["add","promotion double-bakery",[]],["add","promotion doughnut-dozen",[]],["add","grant croissant",[]],["add","incentive 3e9a71a8-75f8-493a-bb2a-e13f92052427",[]],["add","incentive 88a13d3f-e5af-4a23-8b32-3ed421662c62",[]],["add","incentive 6c1d94e7-2b58-4f3a-a0c9-7e5b1f84d033",[]],["add","incentive f27b3a60-8c4e-4a91-9d15-0b6e2c7f5a44",[]],["add","incentive 1b97c0c1-2a03-4b5c-be0d-2470fbed5696",[]],["add","incentive a94f0d25-3e71-4b86-8f2c-d60e9b1c7a55",[]],["add","incentive d05e8b3c-71a6-4c2f-b948-3f9a6d0e1b66",[]],["add","incentive 4b8f2e1d-5c93-4d70-a6e8-9f01c3b7d277",[]],["add","incentive 97d3c6a4-0e1b-4f58-b2d7-5a8c4e6f9088",[]],["add","incentive 21636369-8b52-4b4a-97b7-50923ceb3ffd",[]],["add","incentive 9b08923d-10c6-4fd9-94b2-b8fda02f34a6",[]],["add","incentive 31162427-3bfd-4d33-8d00-38ec42650644",[]],["add","incentive 65aa9c82-79f2-48b0-8cb4-a0d7d6225675",[]],["add","incentive 8d2f61b4-0c57-4e9a-b3d6-95a7e41c0f28",[]],["add","incentive ed038db4-de38-4784-a6d0-b944a2863a7f",[]],["add","incentive 28ce6f24-1064-4d51-86f8-da3eabe19f58",[]],["add","incentive d2d58443-07f0-42ce-87b3-17d94d1fe09f",[]],["add","incentive 633a50ee-e0f9-4038-ab8f-624fb804d820",[]],["add","incentive b3f1a7c2-58d4-4e0b-9a16-7d2c90e4f5a1",[]],["add","incentive 5a90e6d3-1c7b-4f28-b45e-83f6a1d02c97",[]],["add","incentive 7c2e84b9-d053-4f16-a9c7-1e6f5b30d8a4",[]],["add","incentive 93b05a04-cd08-4b71-ba66-76b3651c5253",[]],["add","incentive 092fdddf-18f2-441c-9d92-b243e0fd67dd",[]],["add","incentive 5f0c2b7e-9a3d-4c61-8e27-41d6b8a05c9e",[]],["add","incentive b8d3f7a1-46c2-4e95-8a0b-2f7c9d51e364",[]]]');
INSERT INTO "event" VALUES(2,3877032608590164625,42,1767600000000,1767600000000,2,NULL,NULL,NULL,'demo-ca',NULL,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{"partner":"partner","role":"admin","stores":[]}');
INSERT INTO "event" VALUES(3,5834938602468128341,1,1767600002000,1767600002000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','MemberService/EnrollMember','c3865820-c55f-4608-be0a-5256a31404bc','demo-ca',1,NULL,NULL,NULL,0,0,0,0,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(4,3678598212829523809,31,1767600002000,1767600002000,2,NULL,NULL,NULL,'demo-ca',1,NULL,NULL,NULL,9000,1,0,0,NULL,NULL,'test',NULL);
INSERT INTO "event" VALUES(5,2977194302049135866,11,1767600003000,1767600003000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','CodeService/IssueCode','734a065c-346c-4e76-89ee-c452cbbe7585','demo-ca',1,NULL,NULL,1,9000,1,0,0,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(6,1299125256882647279,13,1767600004000,1767600004000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','IdentifyService/IdentifyMember','03900b6c-68e7-436a-8ec3-9458bc9cb6f6','demo-ca',1,'019b8d2b-9ba0-7da8-8666-b5ce3205d878',1,2,8200,2,800,1,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(7,1299125256882647279,21,1767600004000,1767600004000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','IdentifyService/IdentifyMember','03900b6c-68e7-436a-8ec3-9458bc9cb6f6','demo-ca',1,'019b8d2b-9ba0-7da8-8666-b5ce3205d878',NULL,1,8200,2,800,1,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(8,8498756285619847466,22,1767600005000,1767600005000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','TransactionService/ReportOrder','a4300e28-d313-4f70-9797-1270f4bb8cf2','demo-ca',1,'019b8d2b-9ba0-7da8-8666-b5ce3205d878',1,1,7400,3,1600,2,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(9,8972875135929168019,23,1767600006000,1767600006000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','TransactionService/ReportOrder','b8375698-127f-46d6-9640-6482d8629d00','demo-ca',1,'019b8d2b-9ba0-7da8-8666-b5ce3205d878',1,2,8284,5,0,4,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(10,5773234963879748928,11,1767600007000,1767600007000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','CodeService/IssueCode','400ce577-e56a-4bc7-993d-ba2e8befbfa8','demo-ca',1,NULL,NULL,1,8284,5,0,4,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(11,4084329619699572105,13,1767600008000,1767600008000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','IdentifyService/IdentifyMember','0a34c80d-bc20-4bc9-ace0-180562d64576','demo-ca',1,'019b8d2b-ab40-7ca2-9484-b1fecc3d08d0',1,2,7484,6,800,5,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(12,4084329619699572105,21,1767600008000,1767600008000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','IdentifyService/IdentifyMember','0a34c80d-bc20-4bc9-ace0-180562d64576','demo-ca',1,'019b8d2b-ab40-7ca2-9484-b1fecc3d08d0',NULL,1,7484,6,800,5,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(13,9056889441742178593,22,1767600009000,1767600009000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','TransactionService/ReportOrder','796a0da4-1de4-4c99-aecd-b0fed27162ce','demo-ca',1,'019b8d2b-ab40-7ca2-9484-b1fecc3d08d0',1,1,6684,7,1600,6,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(14,147975122485725087,23,1767600010000,1767600010000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','TransactionService/ReportOrder','fef62116-77d1-4d95-9b44-23355723a1aa','demo-ca',1,'019b8d2b-ab40-7ca2-9484-b1fecc3d08d0',1,2,7568,9,0,8,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(15,2702984390307467280,24,1767600011000,1767600011000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','TransactionService/VoidTransaction','46528667-75a6-4026-a2f4-38b665d5621d','demo-ca',1,'019b8d2b-ab40-7ca2-9484-b1fecc3d08d0',2,3,8284,11,0,8,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(16,4019212968331473077,11,1767600012000,1767600012000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','CodeService/IssueCode','60cae4ff-fe11-40a6-b53a-7446e67e667e','demo-ca',1,NULL,NULL,1,8284,11,0,8,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(17,2240626643282103785,13,1767600013000,1767600013000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','IdentifyService/IdentifyMember','25302764-4bfc-42e1-ab17-39ad0b2e8743','demo-ca',1,'019b8d2b-bec8-70fa-a981-a057ec323070',1,2,7484,12,800,9,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(18,2240626643282103785,21,1767600013000,1767600013000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','IdentifyService/IdentifyMember','25302764-4bfc-42e1-ab17-39ad0b2e8743','demo-ca',1,'019b8d2b-bec8-70fa-a981-a057ec323070',NULL,1,7484,12,800,9,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(19,1665891967043104232,24,1767600014000,1767600014000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','TransactionService/VoidTransaction','5f3c407e-1a54-4f34-a250-1636914a7992','demo-ca',1,'019b8d2b-bec8-70fa-a981-a057ec323070',1,3,8284,13,0,10,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(20,306898342649974191,25,1767600015000,1767600015000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','TransactionService/RecordUnclaimedOrder','d3782df9-14bf-4317-8eb8-e58db61d98a4','demo-ca',NULL,'019b8d2b-c698-7794-aa23-c4285b8a425a',NULL,4,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(21,3124891904685328754,25,1767600016000,1767600016000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','TransactionService/RecordUnclaimedOrder','a5b09652-c8f9-4f55-b08e-1a04af975b5d','demo-ca',NULL,'019b8d2b-ca80-71fa-a87b-f1cb29f1d00b',NULL,4,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(22,634004441514624622,24,1767600017000,1767600017000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','TransactionService/VoidTransaction','b669c154-cac8-44e0-8720-346de8bb5545','demo-ca',NULL,'019b8d2b-ca80-71fa-a87b-f1cb29f1d00b',4,3,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(23,5084978670314360380,25,1767600018000,1767600018000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','TransactionService/RecordUnclaimedOrder','ab9f1a0f-b3c5-438b-a607-3540c8fa6772','demo-ca',NULL,'019b8d2b-d250-7657-9ff3-847d9be96cb1',NULL,4,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(24,5614173337719571278,26,1767600019000,1767600019000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','TransactionService/ClaimReceipt','810f7729-593f-49dd-896c-ef336c5790e5','demo-ca',1,'019b8d2b-d250-7657-9ff3-847d9be96cb1',4,2,8409,14,0,10,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(25,6722077017945555341,11,1767600020000,1767600020000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','CodeService/IssueCode','e37a0b4a-aa54-4b15-8709-b5302656cbed','demo-ca',1,NULL,NULL,1,8409,14,0,10,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(26,350908017622324299,13,1767600021000,1767600021000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','IdentifyService/IdentifyMember','db3bf068-5dfb-44fa-81c6-67b9b9e00c5b','demo-ca',1,'019b8d2b-de08-7862-ba91-87d13a7c704d',1,2,7609,15,800,11,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(27,350908017622324299,21,1767600021000,1767600021000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','IdentifyService/IdentifyMember','db3bf068-5dfb-44fa-81c6-67b9b9e00c5b','demo-ca',1,'019b8d2b-de08-7862-ba91-87d13a7c704d',NULL,1,7609,15,800,11,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(28,5382619306998254860,11,1767600022000,1767600022000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','CodeService/IssueCode','91d7a8c8-9693-4194-8f5f-e182e7733a76','demo-ca',1,NULL,NULL,1,7609,15,800,11,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(29,3681082847703948803,24,1767772822000,1767772822000,3,NULL,NULL,NULL,'demo-ca',1,'019b8d2b-de08-7862-ba91-87d13a7c704d',1,3,8409,16,0,12,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(30,2294537571568105607,14,1767772822000,1767772822000,3,NULL,NULL,NULL,'demo-ca',1,NULL,1,4,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(31,6142739436827301458,11,1767772823000,1767772823000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','CodeService/IssueCode','0aa3310a-bcf4-46c9-87c6-d3af3bb54110','demo-ca',1,NULL,NULL,1,8409,16,0,12,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(32,6294808319416356944,13,1767772824000,1767772824000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','IdentifyService/IdentifyMember','f8e2a6b7-9406-4412-bb43-8a3d93054d77','demo-ca',1,'019b9778-a1c0-7f78-b05c-9c5add04784b',1,2,7609,17,800,13,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(33,6294808319416356944,21,1767772824000,1767772824000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','IdentifyService/IdentifyMember','f8e2a6b7-9406-4412-bb43-8a3d93054d77','demo-ca',1,'019b9778-a1c0-7f78-b05c-9c5add04784b',NULL,1,7609,17,800,13,NULL,NULL,NULL,NULL);
INSERT INTO "event" VALUES(34,8071461133885678990,11,1767772825000,1767772825000,1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9','CodeService/IssueCode','91b13ec1-fcc5-4562-a453-3330df2d56ce','demo-ca',1,NULL,NULL,1,7609,17,800,13,NULL,NULL,NULL,NULL);
CREATE TABLE event_lane (
	lane INTEGER NOT NULL, 
	newest BIGINT NOT NULL, 
	PRIMARY KEY (lane)
);
INSERT INTO "event_lane" VALUES(0,34);
CREATE TABLE "hold" (
	hold_id TEXT NOT NULL, 
	transaction_id TEXT NOT NULL, 
	member_number BIGINT NOT NULL, 
	incentive_id TEXT, 
	points BIGINT NOT NULL, 
	status INTEGER NOT NULL, 
	created_ms BIGINT NOT NULL, 
	expires_ms BIGINT NOT NULL, 
	ended_ms BIGINT, 
	owner_kind INTEGER DEFAULT 1 NOT NULL, 
	PRIMARY KEY (hold_id), 
	CONSTRAINT hold_points_positive CHECK (points > 0), 
	CONSTRAINT hold_member_number_fkey FOREIGN KEY(member_number) REFERENCES member (number)
);
INSERT INTO "hold" VALUES('019b8d2b-9ba0-7be4-9857-18a117959dd1','019b8d2b-9ba0-7da8-8666-b5ce3205d878',1,'3e9a71a8-75f8-493a-bb2a-e13f92052427',800,4,1767600004000,1767686404000,1767600005000,1);
INSERT INTO "hold" VALUES('019b8d2b-9f88-7971-9ecd-62cbcaaad366','019b8d2b-9ba0-7da8-8666-b5ce3205d878',1,'3e9a71a8-75f8-493a-bb2a-e13f92052427',1600,4,1767600005000,1767686405000,1767600006000,1);
INSERT INTO "hold" VALUES('019b8d2b-a370-76b9-899a-5d42c5660850','019b8d2b-9ba0-7da8-8666-b5ce3205d878',1,'3e9a71a8-75f8-493a-bb2a-e13f92052427',800,2,1767600006000,1767686405000,1767600006000,1);
INSERT INTO "hold" VALUES('019b8d2b-ab40-7402-bc3f-5216dc948afe','019b8d2b-ab40-7ca2-9484-b1fecc3d08d0',1,'3e9a71a8-75f8-493a-bb2a-e13f92052427',800,4,1767600008000,1767686408000,1767600009000,1);
INSERT INTO "hold" VALUES('019b8d2b-af28-7806-9f0c-b6ca94bd6c4d','019b8d2b-ab40-7ca2-9484-b1fecc3d08d0',1,'3e9a71a8-75f8-493a-bb2a-e13f92052427',1600,4,1767600009000,1767686409000,1767600010000,1);
INSERT INTO "hold" VALUES('019b8d2b-b310-7517-9e5e-6199c6c5e1a4','019b8d2b-ab40-7ca2-9484-b1fecc3d08d0',1,'3e9a71a8-75f8-493a-bb2a-e13f92052427',800,2,1767600010000,1767686409000,1767600010000,1);
INSERT INTO "hold" VALUES('019b8d2b-bec8-7c2b-9e26-f59a2c98c15a','019b8d2b-bec8-70fa-a981-a057ec323070',1,'3e9a71a8-75f8-493a-bb2a-e13f92052427',800,3,1767600013000,1767686413000,1767600014000,1);
INSERT INTO "hold" VALUES('019b8d2b-de08-7007-b88e-3b0f4f99fe5d','019b8d2b-de08-7862-ba91-87d13a7c704d',1,'3e9a71a8-75f8-493a-bb2a-e13f92052427',800,3,1767600021000,1767686421000,1767772822000,1);
INSERT INTO "hold" VALUES('019b9778-a1c0-7e92-b024-296a50d7e8a4','019b9778-a1c0-7f78-b05c-9c5add04784b',1,'3e9a71a8-75f8-493a-bb2a-e13f92052427',800,1,1767772824000,1767859224000,NULL,1);
CREATE TABLE incentive (
	program_id TEXT NOT NULL, 
	incentive_id TEXT NOT NULL, 
	document TEXT NOT NULL, 
	PRIMARY KEY (program_id, incentive_id), 
	FOREIGN KEY(program_id) REFERENCES program (program_id)
);
INSERT INTO "incentive" VALUES('demo-ca','092fdddf-18f2-441c-9d92-b243e0fd67dd','{"incentive_id":"092fdddf-18f2-441c-9d92-b243e0fd67dd","engine_id":"420b0ebe-378c-44dc-beb0-adf422cedafb","kind":"reward","display_name":"Free refill","point_cost":50,"price":0,"discount":null,"plus":{"default":"9018"},"retired":false,"rules":{"cooldown_s":3600},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','1b97c0c1-2a03-4b5c-be0d-2470fbed5696','{"incentive_id":"1b97c0c1-2a03-4b5c-be0d-2470fbed5696","engine_id":"316d4390-e17b-4f1b-aa43-c44c4d6c8c53","kind":"offer","display_name":"20% off order","point_cost":0,"price":null,"discount":{"kind":"percentage","value":20,"level":"cart"},"plus":{"Kiosk":"K-OFF-20","default":"702"},"retired":false,"rules":{},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','21636369-8b52-4b4a-97b7-50923ceb3ffd','{"incentive_id":"21636369-8b52-4b4a-97b7-50923ceb3ffd","engine_id":"795b929e-9a9a-40fd-aa7b-5bf55eb561a4","kind":"reward","display_name":"Free cookie","point_cost":300,"price":0,"discount":null,"plus":{"default":"9010"},"retired":false,"rules":{"limit_per_order":2,"max_redemptions":{"per_member":6,"total":100000}},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','28ce6f24-1064-4d51-86f8-da3eabe19f58','{"incentive_id":"28ce6f24-1064-4d51-86f8-da3eabe19f58","engine_id":"0af438d2-9752-4d6a-b51e-8722c21b6092","kind":"offer","display_name":"$3 off from $15, paid by card","point_cost":0,"price":null,"discount":{"kind":"amount","value":300,"level":"cart"},"plus":{"default":"706"},"retired":false,"rules":{"minimum_spend":1500,"payment_methods":["AMEX","MASTERCARD","VISA"]},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','31162427-3bfd-4d33-8d00-38ec42650644','{"incentive_id":"31162427-3bfd-4d33-8d00-38ec42650644","engine_id":"8a7d43b5-7863-4074-b797-0386fee29476","kind":"offer","display_name":"Iced coffee of summer 2026","point_cost":0,"price":100,"discount":null,"plus":{"default":"9012"},"retired":false,"rules":{"dates":{"from":"2026-06-21","until":"2026-09-22"}},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','3e9a71a8-75f8-493a-bb2a-e13f92052427','{"incentive_id":"3e9a71a8-75f8-493a-bb2a-e13f92052427","engine_id":"0b7c5f0e-9d0c-4c0a-8a52-5f6f2f0d1c11","kind":"reward","display_name":"Free medium coffee","point_cost":800,"price":0,"discount":null,"plus":{"Kiosk":"K-COFFEE-M","Partner":"700101","default":"9001"},"retired":false,"rules":{},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','4b8f2e1d-5c93-4d70-a6e8-9f01c3b7d277','{"incentive_id":"4b8f2e1d-5c93-4d70-a6e8-9f01c3b7d277","engine_id":"e81a6c3f-294d-4b05-8c7e-d3f50a96b177","kind":"reward","display_name":"Free iced tea","point_cost":600,"price":0,"discount":null,"plus":{"default":"9005"},"retired":true,"rules":{},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','5a90e6d3-1c7b-4f28-b45e-83f6a1d02c97','{"incentive_id":"5a90e6d3-1c7b-4f28-b45e-83f6a1d02c97","engine_id":"0d7b52f4-9e31-4a6c-b8f0-46c9e21d8a35","kind":"offer","display_name":"Sundae with every tenth order","point_cost":0,"price":0,"discount":null,"plus":{"default":"9022"},"retired":false,"rules":{"transactions":{"every":10}},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','5f0c2b7e-9a3d-4c61-8e27-41d6b8a05c9e','{"incentive_id":"5f0c2b7e-9a3d-4c61-8e27-41d6b8a05c9e","engine_id":"c7a1e94d-2b60-4f38-9d15-6e83f02b7a41","kind":"offer","display_name":"Muffin for orders by the app, in the west","point_cost":0,"price":100,"discount":null,"plus":{"default":"9019"},"retired":false,"rules":{"store_groups":["west"],"channels":["APP","Kiosk"]},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','633a50ee-e0f9-4038-ab8f-624fb804d820','{"incentive_id":"633a50ee-e0f9-4038-ab8f-624fb804d820","engine_id":"6d4b9adb-ebcd-4f5e-89c1-8070b6d13089","kind":"offer","display_name":"Birthday cake slice","point_cost":0,"price":0,"discount":null,"plus":{"default":"9016"},"retired":false,"rules":{"max_redemptions":{"per_occasion":1},"birthday":7},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','65aa9c82-79f2-48b0-8cb4-a0d7d6225675','{"incentive_id":"65aa9c82-79f2-48b0-8cb4-a0d7d6225675","engine_id":"3b5f3d86-268e-4c45-9c6b-f1e1a399f82a","kind":"reward","display_name":"Muffin for newer members","point_cost":100,"price":0,"discount":null,"plus":{"default":"9013"},"retired":false,"rules":{"enrolled":{"from":"2022-01-01"}},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','6c1d94e7-2b58-4f3a-a0c9-7e5b1f84d033','{"incentive_id":"6c1d94e7-2b58-4f3a-a0c9-7e5b1f84d033","engine_id":"94b0f7d3-6e21-4d8a-b3f5-c17a9e20d433","kind":"reward","display_name":"Chicken sandwich for $2.50","point_cost":1200,"price":250,"discount":null,"plus":{"default":"9003"},"retired":false,"rules":{},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','7c2e84b9-d053-4f16-a9c7-1e6f5b30d8a4','{"incentive_id":"7c2e84b9-d053-4f16-a9c7-1e6f5b30d8a4","engine_id":"61f9a0c8-3b5d-4e72-8c14-d7e02a96b5f3","kind":"offer","display_name":"Brownie in the week of the day you joined","point_cost":0,"price":0,"discount":null,"plus":{"default":"9021"},"retired":false,"rules":{"enrolled_days":{"from":30},"anniversary":"week"},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','88a13d3f-e5af-4a23-8b32-3ed421662c62','{"incentive_id":"88a13d3f-e5af-4a23-8b32-3ed421662c62","engine_id":"5d2e6a9b-41f3-4f0b-9c57-2a8d0e7b3f22","kind":"offer","display_name":"Hash brown with any breakfast sandwich","point_cost":0,"price":null,"discount":null,"plus":{"Partner":"700102","default":"9002"},"retired":false,"rules":{},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','8d2f61b4-0c57-4e9a-b3d6-95a7e41c0f28','{"incentive_id":"8d2f61b4-0c57-4e9a-b3d6-95a7e41c0f28","engine_id":"e5b09c37-6a14-4d82-8f50-2c71d9e3a6b4","kind":"offer","display_name":"Bagel for students","point_cost":0,"price":100,"discount":null,"plus":{"default":"9020"},"retired":false,"rules":{"segments":["student"]},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','93b05a04-cd08-4b71-ba66-76b3651c5253','{"incentive_id":"93b05a04-cd08-4b71-ba66-76b3651c5253","engine_id":"2257989f-ef82-4c88-b6ce-d90a71d2af72","kind":"offer","display_name":"Hash brown for a breakfast for two","point_cost":0,"price":0,"discount":null,"plus":{"default":"9017"},"retired":false,"rules":{"cart_has":[{"any_of":["2001","2002"],"quantity":2},{"any_of":["2101"],"quantity":1}],"cart_lacks":["702"]},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','97d3c6a4-0e1b-4f58-b2d7-5a8c4e6f9088','{"incentive_id":"97d3c6a4-0e1b-4f58-b2d7-5a8c4e6f9088","engine_id":"18c7f2b5-a36e-49d0-bf84-7e2d9c5a0688","kind":"offer","display_name":"Free cookie in June","point_cost":0,"price":null,"discount":null,"plus":{"default":"9006"},"retired":true,"rules":{},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','9b08923d-10c6-4fd9-94b2-b8fda02f34a6','{"incentive_id":"9b08923d-10c6-4fd9-94b2-b8fda02f34a6","engine_id":"781f9c58-d664-4fa9-a8a8-529f035efa25","kind":"offer","display_name":"Weekday lunch soup","point_cost":0,"price":199,"discount":null,"plus":{"default":"9011"},"retired":false,"rules":{"days":["mon","tue","wed","thu","fri"],"service_modes":["EAT_IN","TAKEOUT"]},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','a94f0d25-3e71-4b86-8f2c-d60e9b1c7a55','{"incentive_id":"a94f0d25-3e71-4b86-8f2c-d60e9b1c7a55","engine_id":"7a3d5e90-c812-4b6f-a94e-08d7f1b25c55","kind":"reward","display_name":"$5 off order","point_cost":5000,"price":null,"discount":{"kind":"amount","value":500,"level":"cart"},"plus":{"default":"703"},"retired":false,"rules":{},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','b3f1a7c2-58d4-4e0b-9a16-7d2c90e4f5a1','{"incentive_id":"b3f1a7c2-58d4-4e0b-9a16-7d2c90e4f5a1","engine_id":"e4c08d15-2f7a-4b93-8e61-0a5b3d9c7f12","kind":"offer","display_name":"Breakfast wrap before eleven","point_cost":0,"price":249,"discount":null,"plus":{"default":"9019"},"retired":false,"rules":{"times":{"from":"05:00","until":"11:00"}},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','b8d3f7a1-46c2-4e95-8a0b-2f7c9d51e364','{"incentive_id":"b8d3f7a1-46c2-4e95-8a0b-2f7c9d51e364","engine_id":"9c04e6b2-1f8d-4a37-b5c9-e81d3f60a7b2","kind":"offer","display_name":"Croissant of the month","point_cost":0,"price":0,"discount":null,"plus":{"default":"9023"},"retired":false,"rules":{"granted":true},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','d05e8b3c-71a6-4c2f-b948-3f9a6d0e1b66','{"incentive_id":"d05e8b3c-71a6-4c2f-b948-3f9a6d0e1b66","engine_id":"c6f19b84-0d3e-4e57-92ab-6b4e8d10f366","kind":"offer","display_name":"Half-price fries","point_cost":0,"price":null,"discount":{"kind":"percentage","value":50,"level":"product"},"plus":{"default":"704"},"retired":false,"rules":{},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','d2d58443-07f0-42ce-87b3-17d94d1fe09f','{"incentive_id":"d2d58443-07f0-42ce-87b3-17d94d1fe09f","engine_id":"98418117-7906-4596-84f9-794cdd933160","kind":"offer","display_name":"Welcome doughnut","point_cost":0,"price":0,"discount":null,"plus":{"default":"9015"},"retired":false,"rules":{"first_order":true},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','ed038db4-de38-4784-a6d0-b944a2863a7f','{"incentive_id":"ed038db4-de38-4784-a6d0-b944a2863a7f","engine_id":"03e0a813-bdc2-4e99-a3d2-e49085ef3430","kind":"offer","display_name":"Montréal bagel","point_cost":0,"price":50,"discount":null,"plus":{"default":"9014"},"retired":false,"rules":{"stores":[1001]},"description":null,"more_info":null,"image":null}');
INSERT INTO "incentive" VALUES('demo-ca','f27b3a60-8c4e-4a91-9d15-0b6e2c7f5a44','{"incentive_id":"f27b3a60-8c4e-4a91-9d15-0b6e2c7f5a44","engine_id":"2f8e1c4d-b7a5-4936-8e0d-51c3f9a7b644","kind":"reward","display_name":"Party platter for twelve","point_cost":250000,"price":0,"discount":null,"plus":{"default":"9004"},"retired":false,"rules":{},"description":null,"more_info":null,"image":null}');
CREATE TABLE incentive_usage (
	program_id TEXT NOT NULL, 
	incentive_id TEXT NOT NULL, 
	shard INTEGER NOT NULL, 
	quantity BIGINT NOT NULL, 
	PRIMARY KEY (program_id, incentive_id, shard)
);
INSERT INTO "incentive_usage" VALUES('demo-ca','3e9a71a8-75f8-493a-bb2a-e13f92052427',0,1);
CREATE TABLE limit_tally (
	scope TEXT NOT NULL, 
	since_ms BIGINT NOT NULL, 
	name TEXT NOT NULL, 
	shard INTEGER NOT NULL, 
	amount BIGINT NOT NULL, 
	PRIMARY KEY (scope, since_ms, name, shard)
);
INSERT INTO "limit_tally" VALUES('key/019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9',1767571200000,'bytes_per_key_day',0,28116);
INSERT INTO "limit_tally" VALUES('key/019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9',1767571200000,'rows_per_key_day',0,103);
INSERT INTO "limit_tally" VALUES('program/demo-ca',1767571200000,'bytes_per_program_day',0,28116);
INSERT INTO "limit_tally" VALUES('program/demo-ca',1767571200000,'rows_per_program_day',0,103);
INSERT INTO "limit_tally" VALUES('key/019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9',1767600000000,'enrolments_per_key_minute',0,1);
INSERT INTO "limit_tally" VALUES('key/019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9',1767600000000,'codes_per_key_minute',0,5);
INSERT INTO "limit_tally" VALUES('member/1/partner',1767600000000,'codes_per_member_minute',0,5);
INSERT INTO "limit_tally" VALUES('partner/demo-ca/partner',1767600000000,'codes_live_per_partner',0,1);
INSERT INTO "limit_tally" VALUES('key/019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9',1767571200000,'points_per_key_day',0,293);
INSERT INTO "limit_tally" VALUES('member/1',1767571200000,'points_per_member_day',0,209);
INSERT INTO "limit_tally" VALUES('key/019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9',1767744000000,'bytes_per_key_day',0,3714);
INSERT INTO "limit_tally" VALUES('key/019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9',1767744000000,'rows_per_key_day',0,14);
INSERT INTO "limit_tally" VALUES('key/019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9',1767772800000,'codes_per_key_minute',0,2);
INSERT INTO "limit_tally" VALUES('member/1/partner',1767772800000,'codes_per_member_minute',0,2);
INSERT INTO "limit_tally" VALUES('partner/demo-ca/partner',1767772800000,'codes_live_per_partner',0,1);
INSERT INTO "limit_tally" VALUES('program/demo-ca',1767744000000,'bytes_per_program_day',0,3714);
INSERT INTO "limit_tally" VALUES('program/demo-ca',1767744000000,'rows_per_program_day',0,14);
CREATE TABLE loyalty_transaction (
	transaction_id TEXT NOT NULL, 
	program_id TEXT NOT NULL, 
	member_number BIGINT, 
	status INTEGER NOT NULL, 
	store_id BIGINT NOT NULL, 
	pos_transaction_id TEXT NOT NULL, 
	pos_type TEXT NOT NULL, 
	supporting_pos TEXT, 
	terminal TEXT, 
	operator TEXT, 
	partner TEXT NOT NULL, 
	created_ms BIGINT NOT NULL, 
	updated_ms BIGINT NOT NULL, 
	expires_ms BIGINT NOT NULL, 
	channel TEXT, 
	service_mode TEXT, 
	basket TEXT, 
	points_earned BIGINT NOT NULL, 
	points_redeemed BIGINT NOT NULL, 
	claimed_ms BIGINT, 
	receipt_digest BLOB, 
	fingerprint BLOB, 
	answer BLOB, refused_offers TEXT, paid_store_id BIGINT, order_digest BLOB, business_day TEXT, till_created TEXT, promotions TEXT, program_version INTEGER, earned_by TEXT, returned TEXT, points_returned BIGINT DEFAULT '0' NOT NULL, 
	PRIMARY KEY (transaction_id), 
	FOREIGN KEY(member_number) REFERENCES member (number)
);
INSERT INTO "loyalty_transaction" VALUES('019b8d2b-9ba0-7da8-8666-b5ce3205d878','demo-ca',1,2,9999,'order-3','Partner',NULL,NULL,NULL,'partner',1767600004000,1767600006000,1767686405000,'RESTAURANT','EAT_IN','{"lines":[{"reference_id":"1","product_id":"1","product_type":"reward","quantity":1,"price":0,"tax":0,"parent_reference_id":null,"incentive_id":"3e9a71a8-75f8-493a-bb2a-e13f92052427","loyalty_engine_id":null,"name":null},{"reference_id":"1","product_id":"1","product_type":"item","quantity":1,"price":849,"tax":0,"parent_reference_id":null,"incentive_id":null,"loyalty_engine_id":null,"name":null}],"payments":[],"applied_discounts":[],"currency":"CAD"}',84,800,1767600006000,NULL,NULL,NULL,NULL,NULL,X'4E428623354A3D9A13C80C699A4B0B108E6DF4B5CF13C77040AF3B95B850DEC3','2026-01-05',NULL,NULL,1,NULL,NULL,0);
INSERT INTO "loyalty_transaction" VALUES('019b8d2b-ab40-7ca2-9484-b1fecc3d08d0','demo-ca',1,3,9999,'order-7','Partner',NULL,NULL,NULL,'partner',1767600008000,1767600011000,1767686409000,'RESTAURANT','EAT_IN','{"lines":[{"reference_id":"1","product_id":"1","product_type":"reward","quantity":1,"price":0,"tax":0,"parent_reference_id":null,"incentive_id":"3e9a71a8-75f8-493a-bb2a-e13f92052427","loyalty_engine_id":null,"name":null},{"reference_id":"1","product_id":"1","product_type":"item","quantity":1,"price":849,"tax":0,"parent_reference_id":null,"incentive_id":null,"loyalty_engine_id":null,"name":null}],"payments":[],"applied_discounts":[],"currency":"CAD"}',84,800,1767600010000,NULL,NULL,NULL,NULL,NULL,X'4E428623354A3D9A13C80C699A4B0B108E6DF4B5CF13C77040AF3B95B850DEC3','2026-01-05',NULL,NULL,1,NULL,NULL,0);
INSERT INTO "loyalty_transaction" VALUES('019b8d2b-bec8-70fa-a981-a057ec323070','demo-ca',1,3,9999,'order-12','Partner',NULL,NULL,NULL,'partner',1767600013000,1767600014000,1767686413000,NULL,NULL,NULL,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "loyalty_transaction" VALUES('019b8d2b-c698-7794-aa23-c4285b8a425a','demo-ca',NULL,4,9999,'1','Partner',NULL,NULL,NULL,'partner',1767600015000,1767600015000,1767600015000,'RESTAURANT','EAT_IN','{"lines":[{"reference_id":"1","product_id":"1","product_type":"item","quantity":1,"price":1250,"tax":0,"parent_reference_id":null,"incentive_id":null,"loyalty_engine_id":null,"name":null}],"payments":[],"applied_discounts":[],"currency":"CAD"}',125,0,NULL,X'35A0C7D525F77A42A2589C1AD6FBC1490068121C354CC03A3F2D64125CBBDA77',NULL,NULL,'[]',NULL,X'42F79B5AB7398479B766C67210250CECA3CA419662367A6558421049B9265BE7','2026-01-05',NULL,NULL,1,NULL,NULL,0);
INSERT INTO "loyalty_transaction" VALUES('019b8d2b-ca80-71fa-a87b-f1cb29f1d00b','demo-ca',NULL,3,9999,'1','Partner',NULL,NULL,NULL,'partner',1767600016000,1767600017000,1767600016000,'RESTAURANT','EAT_IN','{"lines":[{"reference_id":"1","product_id":"1","product_type":"item","quantity":1,"price":1250,"tax":0,"parent_reference_id":null,"incentive_id":null,"loyalty_engine_id":null,"name":null}],"payments":[],"applied_discounts":[],"currency":"CAD"}',125,0,NULL,X'9CA4EE212221ADF3AF780F15DCDB8A39AF734CDB0C9876AABFAB27CFB8B0ED2E',NULL,NULL,'[]',NULL,X'42F79B5AB7398479B766C67210250CECA3CA419662367A6558421049B9265BE7','2026-01-05',NULL,NULL,1,NULL,NULL,0);
INSERT INTO "loyalty_transaction" VALUES('019b8d2b-d250-7657-9ff3-847d9be96cb1','demo-ca',1,2,9999,'1','Partner',NULL,NULL,NULL,'partner',1767600018000,1767600019000,1767600018000,'RESTAURANT','EAT_IN','{"lines":[{"reference_id":"1","product_id":"1","product_type":"item","quantity":1,"price":1250,"tax":0,"parent_reference_id":null,"incentive_id":null,"loyalty_engine_id":null,"name":null}],"payments":[],"applied_discounts":[],"currency":"CAD"}',125,0,1767600019000,X'64FA42FBB6D6B52C8016E3BED0BE26D62162D517F891E8E9E06691AD5D1FEC58',NULL,NULL,'[]',NULL,X'42F79B5AB7398479B766C67210250CECA3CA419662367A6558421049B9265BE7','2026-01-05',NULL,NULL,1,NULL,NULL,0);
INSERT INTO "loyalty_transaction" VALUES('019b8d2b-de08-7862-ba91-87d13a7c704d','demo-ca',1,3,9999,'order-20','Partner',NULL,NULL,NULL,'partner',1767600021000,1767772822000,1767686421000,NULL,NULL,NULL,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
INSERT INTO "loyalty_transaction" VALUES('019b9778-a1c0-7f78-b05c-9c5add04784b','demo-ca',1,1,9999,'order-23','Partner',NULL,NULL,NULL,'partner',1767772824000,1767772824000,1767859224000,NULL,NULL,NULL,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,0);
CREATE TABLE member (
	number INTEGER NOT NULL, 
	program_id TEXT NOT NULL, 
	loyalty_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	email TEXT, 
	locale TEXT, 
	birth_date TEXT, 
	created_ms BIGINT NOT NULL, segments TEXT, 
	PRIMARY KEY (number), 
	FOREIGN KEY(program_id) REFERENCES program (program_id)
);
INSERT INTO "member" VALUES(1,'demo-ca','75793908-1df3-4372-8899-adc7ab31855a','Guest','guest@example.com',NULL,NULL,1767600002000,NULL);
CREATE TABLE member_email (
	program_id TEXT NOT NULL, 
	email TEXT NOT NULL, 
	member_number BIGINT NOT NULL, 
	PRIMARY KEY (program_id, email), 
	FOREIGN KEY(member_number) REFERENCES member (number)
);
INSERT INTO "member_email" VALUES('demo-ca','guest@example.com',1);
CREATE TABLE member_grant (
	grant_id TEXT NOT NULL, 
	program_id TEXT NOT NULL, 
	member_number BIGINT NOT NULL, 
	incentive_id TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	uses BIGINT NOT NULL, 
	used BIGINT NOT NULL, 
	first_day TEXT NOT NULL, 
	last_day TEXT NOT NULL, 
	given_ms BIGINT NOT NULL, 
	activated_ms BIGINT, 
	withdrawn_ms BIGINT, 
	PRIMARY KEY (grant_id), 
	CONSTRAINT member_grant_uses_positive CHECK (uses > 0), 
	CONSTRAINT member_grant_used_in_bounds CHECK (used BETWEEN 0 AND uses), 
	FOREIGN KEY(member_number) REFERENCES member (number)
);
CREATE TABLE points_assignment (
	assignment_id TEXT NOT NULL, 
	program_id TEXT NOT NULL, 
	member_number BIGINT NOT NULL, 
	points BIGINT NOT NULL, 
	partner TEXT NOT NULL, 
	reference TEXT NOT NULL, 
	created_ms BIGINT NOT NULL, 
	PRIMARY KEY (assignment_id), 
	CONSTRAINT points_assignment_points_not_zero CHECK (points <> 0), 
	FOREIGN KEY(member_number) REFERENCES member (number)
);
CREATE TABLE program (
	program_id TEXT NOT NULL, 
	document TEXT NOT NULL, 
	PRIMARY KEY (program_id)
);
INSERT INTO "program" VALUES('demo-ca','{"program_id":"demo-ca","brand":"demo","region":"CA","name":"Demo Rewards","currency":"CAD","currency_digits":2,"points_name":"points","time_zone":"America/Toronto","locale":"en-CA","identifier_kinds":["code","loyalty_id"],"code_lifetime_s":300,"pending_lifetime_s":86400,"redemption":{"min_points":25000,"min_amount":1000,"max_points":75000,"max_amount":3000,"increment_points":25000,"increment_amount":1000},"prompts":{"anonymous":{"en-CA":{"code":"REQUEST_EMAIL","message":"Would the customer like to learn more about our loyalty program?","receipt":"Join the loyalty program to claim the points you earned on this purchase."},"en-US":{"code":"REQUEST_EMAIL","message":"Would the customer like to learn more about our loyalty program?","receipt":"Join the loyalty program to claim the points you earned on this purchase."},"fr-CA":{"code":"REQUEST_EMAIL","message":"Le client aimerait-il en savoir plus sur notre programme de fidélité?","receipt":"Adhérez au programme de fidélité pour réclamer les points que vous avez accumulés avec cet achat."}},"anonymous_flagged":{"en-CA":{"code":"REQUEST_EMAIL","message":"You could be earning points right now. Do you have your loyalty card or the app?","receipt":"You could have earned points on this purchase. Scan your card next time."},"en-US":{"code":"REQUEST_EMAIL","message":"You could be earning points right now. Do you have your loyalty card or the app?","receipt":"You could have earned points on this purchase. Scan your card next time."},"fr-CA":{"code":"REQUEST_EMAIL","message":"Vous pourriez accumuler des points dès maintenant. Avez-vous votre carte de fidélité ou l''application?","receipt":"Vous auriez pu accumuler des points avec cet achat. Balayez votre carte la prochaine fois."}}},"void_spent":"debt","order_limits":{"offers":null,"rewards":null,"incentives":null,"same_offer":null},"unclaimed_offers":"flag","pending_days":30,"receipt_days":30,"receipt_limits":{"per_day":null,"per_week":null,"per_month":null,"per_year":null},"void_days":90,"late_void":"flag","return_days":90,"void_by_other_partner":"flag","shared_email":"take","future_birth_date":"take","rollout_until":null,"refuse_unusable":false,"repeated_orders":"flag","limits":{"calls_per_key_second":500,"bytes_per_key_day":4294967296,"rows_per_key_day":10000000,"bytes_per_program_day":17179869184,"rows_per_program_day":40000000,"points_per_order":100000,"points_per_member_day":250000,"points_per_key_day":100000000,"codes_per_member_minute":10,"codes_per_key_minute":12000,"enrolments_per_key_minute":1200,"codes_live_per_partner":20000,"uses_per_order":10,"points_per_assignment":10000,"wrong_promo_codes_per_key_minute":60},"expiry":{"policy":"none","days":null,"months":null,"end_of":null,"until":null,"activities":["adjust","order"],"expiration_date":"first_day_gone","carried_over":null,"version":0},"receipts":null,"contracts":["es","rbi-v2"],"removed_stores":{},"earning":{"points_per_unit":"10","rounding":"down","include_tax":false,"excluded_product_types":["reward"],"excluded_products":"deposits"},"groups":{"bakery":{"prefixes":["241"],"categories":["bakery"]},"deposits":{"plus":["9901"]}},"promotions":[{"id":"double-bakery","name":"Double points on the bakery","multiplier":"2","on":"bakery","rules":{}},{"id":"doughnut-dozen","name":"100 points for a dozen doughnuts","bonus":100,"rules":{"cart_has":[{"any_of":["2412"],"quantity":12}]},"at_most":{"per_order":2,"per_day":3}}],"grants":[{"id":"croissant","incentive":"b8d3f7a1-46c2-4e95-8a0b-2f7c9d51e364","given_on":"month","activate":true}]}');
CREATE TABLE program_version (
	program_id TEXT NOT NULL, 
	version INTEGER NOT NULL, 
	applied_ms BIGINT NOT NULL, 
	document TEXT NOT NULL, 
	PRIMARY KEY (program_id, version), 
	FOREIGN KEY(program_id) REFERENCES program (program_id)
);
INSERT INTO "program_version" VALUES('demo-ca',1,1767600000000,'{"program":{"program_id":"demo-ca","brand":"demo","region":"CA","name":"Demo Rewards","currency":"CAD","currency_digits":2,"points_name":"points","time_zone":"America/Toronto","locale":"en-CA","identifier_kinds":["code","loyalty_id"],"code_lifetime_s":300,"pending_lifetime_s":86400,"redemption":{"min_points":25000,"min_amount":1000,"max_points":75000,"max_amount":3000,"increment_points":25000,"increment_amount":1000},"prompts":{"anonymous":{"en-CA":{"code":"REQUEST_EMAIL","message":"Would the customer like to learn more about our loyalty program?","receipt":"Join the loyalty program to claim the points you earned on this purchase."},"en-US":{"code":"REQUEST_EMAIL","message":"Would the customer like to learn more about our loyalty program?","receipt":"Join the loyalty program to claim the points you earned on this purchase."},"fr-CA":{"code":"REQUEST_EMAIL","message":"Le client aimerait-il en savoir plus sur notre programme de fidélité?","receipt":"Adhérez au programme de fidélité pour réclamer les points que vous avez accumulés avec cet achat."}},"anonymous_flagged":{"en-CA":{"code":"REQUEST_EMAIL","message":"You could be earning points right now. Do you have your loyalty card or the app?","receipt":"You could have earned points on this purchase. Scan your card next time."},"en-US":{"code":"REQUEST_EMAIL","message":"You could be earning points right now. Do you have your loyalty card or the app?","receipt":"You could have earned points on this purchase. Scan your card next time."},"fr-CA":{"code":"REQUEST_EMAIL","message":"Vous pourriez accumuler des points dès maintenant. Avez-vous votre carte de fidélité ou l''application?","receipt":"Vous auriez pu accumuler des points avec cet achat. Balayez votre carte la prochaine fois."}}},"void_spent":"debt","order_limits":{"offers":null,"rewards":null,"incentives":null,"same_offer":null},"unclaimed_offers":"flag","pending_days":30,"receipt_days":30,"receipt_limits":{"per_day":null,"per_week":null,"per_month":null,"per_year":null},"void_days":90,"late_void":"flag","return_days":90,"void_by_other_partner":"flag","shared_email":"take","future_birth_date":"take","rollout_until":null,"refuse_unusable":false,"repeated_orders":"flag","limits":{"calls_per_key_second":500,"bytes_per_key_day":4294967296,"rows_per_key_day":10000000,"bytes_per_program_day":17179869184,"rows_per_program_day":40000000,"points_per_order":100000,"points_per_member_day":250000,"points_per_key_day":100000000,"codes_per_member_minute":10,"codes_per_key_minute":12000,"enrolments_per_key_minute":1200,"codes_live_per_partner":20000,"uses_per_order":10,"points_per_assignment":10000,"wrong_promo_codes_per_key_minute":60},"expiry":{"policy":"none","days":null,"months":null,"end_of":null,"until":null,"activities":["adjust","order"],"expiration_date":"first_day_gone","carried_over":null,"version":0},"receipts":null,"contracts":["es","rbi-v2"],"removed_stores":{},"earning":{"points_per_unit":"10","rounding":"down","include_tax":false,"excluded_product_types":["reward"],"excluded_products":"deposits"},"groups":{"bakery":{"prefixes":["241"],"categories":["bakery"]},"deposits":{"plus":["9901"]}},"promotions":[{"id":"double-bakery","name":"Double points on the bakery","multiplier":"2","on":"bakery","rules":{}},{"id":"doughnut-dozen","name":"100 points for a dozen doughnuts","bonus":100,"rules":{"cart_has":[{"any_of":["2412"],"quantity":12}]},"at_most":{"per_order":2,"per_day":3}}],"grants":[{"id":"croissant","incentive":"b8d3f7a1-46c2-4e95-8a0b-2f7c9d51e364","given_on":"month","activate":true}]},"stores":{"1001":{"store_id":1001,"name":"Rue Sainte-Catherine, Montréal","time_zone":"America/Toronto","loyalty_enabled":true},"1002":{"store_id":1002,"name":"Granville Street, Vancouver","time_zone":"America/Vancouver","loyalty_enabled":true,"groups":["west"]},"1003":{"store_id":1003,"name":"Water Street, St. John''s","time_zone":"America/St_Johns","loyalty_enabled":true},"1099":{"store_id":1099,"name":"Airport kiosk, not yet open for loyalty","time_zone":"America/Toronto","loyalty_enabled":false},"9999":{"store_id":9999,"name":"Sandbox store, Toronto","time_zone":"America/Toronto","loyalty_enabled":true}},"incentives":{"092fdddf-18f2-441c-9d92-b243e0fd67dd":{"incentive_id":"092fdddf-18f2-441c-9d92-b243e0fd67dd","engine_id":"420b0ebe-378c-44dc-beb0-adf422cedafb","kind":"reward","display_name":"Free refill","point_cost":50,"price":0,"discount":null,"plus":{"default":"9018"},"retired":false,"rules":{"cooldown_s":3600},"description":null,"more_info":null,"image":null},"1b97c0c1-2a03-4b5c-be0d-2470fbed5696":{"incentive_id":"1b97c0c1-2a03-4b5c-be0d-2470fbed5696","engine_id":"316d4390-e17b-4f1b-aa43-c44c4d6c8c53","kind":"offer","display_name":"20% off order","point_cost":0,"price":null,"discount":{"kind":"percentage","value":20,"level":"cart"},"plus":{"Kiosk":"K-OFF-20","default":"702"},"retired":false,"rules":{},"description":null,"more_info":null,"image":null},"21636369-8b52-4b4a-97b7-50923ceb3ffd":{"incentive_id":"21636369-8b52-4b4a-97b7-50923ceb3ffd","engine_id":"795b929e-9a9a-40fd-aa7b-5bf55eb561a4","kind":"reward","display_name":"Free cookie","point_cost":300,"price":0,"discount":null,"plus":{"default":"9010"},"retired":false,"rules":{"limit_per_order":2,"max_redemptions":{"per_member":6,"total":100000}},"description":null,"more_info":null,"image":null},"28ce6f24-1064-4d51-86f8-da3eabe19f58":{"incentive_id":"28ce6f24-1064-4d51-86f8-da3eabe19f58","engine_id":"0af438d2-9752-4d6a-b51e-8722c21b6092","kind":"offer","display_name":"$3 off from $15, paid by card","point_cost":0,"price":null,"discount":{"kind":"amount","value":300,"level":"cart"},"plus":{"default":"706"},"retired":false,"rules":{"minimum_spend":1500,"payment_methods":["AMEX","MASTERCARD","VISA"]},"description":null,"more_info":null,"image":null},"31162427-3bfd-4d33-8d00-38ec42650644":{"incentive_id":"31162427-3bfd-4d33-8d00-38ec42650644","engine_id":"8a7d43b5-7863-4074-b797-0386fee29476","kind":"offer","display_name":"Iced coffee of summer 2026","point_cost":0,"price":100,"discount":null,"plus":{"default":"9012"},"retired":false,"rules":{"dates":{"from":"2026-06-21","until":"2026-09-22"}},"description":null,"more_info":null,"image":null},"3e9a71a8-75f8-493a-bb2a-e13f92052427":{"incentive_id":"3e9a71a8-75f8-493a-bb2a-e13f92052427","engine_id":"0b7c5f0e-9d0c-4c0a-8a52-5f6f2f0d1c11","kind":"reward","display_name":"Free medium coffee","point_cost":800,"price":0,"discount":null,"plus":{"Kiosk":"K-COFFEE-M","Partner":"700101","default":"9001"},"retired":false,"rules":{},"description":null,"more_info":null,"image":null},"4b8f2e1d-5c93-4d70-a6e8-9f01c3b7d277":{"incentive_id":"4b8f2e1d-5c93-4d70-a6e8-9f01c3b7d277","engine_id":"e81a6c3f-294d-4b05-8c7e-d3f50a96b177","kind":"reward","display_name":"Free iced tea","point_cost":600,"price":0,"discount":null,"plus":{"default":"9005"},"retired":true,"rules":{},"description":null,"more_info":null,"image":null},"5a90e6d3-1c7b-4f28-b45e-83f6a1d02c97":{"incentive_id":"5a90e6d3-1c7b-4f28-b45e-83f6a1d02c97","engine_id":"0d7b52f4-9e31-4a6c-b8f0-46c9e21d8a35","kind":"offer","display_name":"Sundae with every tenth order","point_cost":0,"price":0,"discount":null,"plus":{"default":"9022"},"retired":false,"rules":{"transactions":{"every":10}},"description":null,"more_info":null,"image":null},"5f0c2b7e-9a3d-4c61-8e27-41d6b8a05c9e":{"incentive_id":"5f0c2b7e-9a3d-4c61-8e27-41d6b8a05c9e","engine_id":"c7a1e94d-2b60-4f38-9d15-6e83f02b7a41","kind":"offer","display_name":"Muffin for orders by the app, in the west","point_cost":0,"price":100,"discount":null,"plus":{"default":"9019"},"retired":false,"rules":{"store_groups":["west"],"channels":["APP","Kiosk"]},"description":null,"more_info":null,"image":null},"633a50ee-e0f9-4038-ab8f-624fb804d820":{"incentive_id":"633a50ee-e0f9-4038-ab8f-624fb804d820","engine_id":"6d4b9adb-ebcd-4f5e-89c1-8070b6d13089","kind":"offer","display_name":"Birthday cake slice","point_cost":0,"price":0,"discount":null,"plus":{"default":"9016"},"retired":false,"rules":{"max_redemptions":{"per_occasion":1},"birthday":7},"description":null,"more_info":null,"image":null},"65aa9c82-79f2-48b0-8cb4-a0d7d6225675":{"incentive_id":"65aa9c82-79f2-48b0-8cb4-a0d7d6225675","engine_id":"3b5f3d86-268e-4c45-9c6b-f1e1a399f82a","kind":"reward","display_name":"Muffin for newer members","point_cost":100,"price":0,"discount":null,"plus":{"default":"9013"},"retired":false,"rules":{"enrolled":{"from":"2022-01-01"}},"description":null,"more_info":null,"image":null},"6c1d94e7-2b58-4f3a-a0c9-7e5b1f84d033":{"incentive_id":"6c1d94e7-2b58-4f3a-a0c9-7e5b1f84d033","engine_id":"94b0f7d3-6e21-4d8a-b3f5-c17a9e20d433","kind":"reward","display_name":"Chicken sandwich for $2.50","point_cost":1200,"price":250,"discount":null,"plus":{"default":"9003"},"retired":false,"rules":{},"description":null,"more_info":null,"image":null},"7c2e84b9-d053-4f16-a9c7-1e6f5b30d8a4":{"incentive_id":"7c2e84b9-d053-4f16-a9c7-1e6f5b30d8a4","engine_id":"61f9a0c8-3b5d-4e72-8c14-d7e02a96b5f3","kind":"offer","display_name":"Brownie in the week of the day you joined","point_cost":0,"price":0,"discount":null,"plus":{"default":"9021"},"retired":false,"rules":{"enrolled_days":{"from":30},"anniversary":"week"},"description":null,"more_info":null,"image":null},"88a13d3f-e5af-4a23-8b32-3ed421662c62":{"incentive_id":"88a13d3f-e5af-4a23-8b32-3ed421662c62","engine_id":"5d2e6a9b-41f3-4f0b-9c57-2a8d0e7b3f22","kind":"offer","display_name":"Hash brown with any breakfast sandwich","point_cost":0,"price":null,"discount":null,"plus":{"Partner":"700102","default":"9002"},"retired":false,"rules":{},"description":null,"more_info":null,"image":null},"8d2f61b4-0c57-4e9a-b3d6-95a7e41c0f28":{"incentive_id":"8d2f61b4-0c57-4e9a-b3d6-95a7e41c0f28","engine_id":"e5b09c37-6a14-4d82-8f50-2c71d9e3a6b4","kind":"offer","display_name":"Bagel for students","point_cost":0,"price":100,"discount":null,"plus":{"default":"9020"},"retired":false,"rules":{"segments":["student"]},"description":null,"more_info":null,"image":null},"93b05a04-cd08-4b71-ba66-76b3651c5253":{"incentive_id":"93b05a04-cd08-4b71-ba66-76b3651c5253","engine_id":"2257989f-ef82-4c88-b6ce-d90a71d2af72","kind":"offer","display_name":"Hash brown for a breakfast for two","point_cost":0,"price":0,"discount":null,"plus":{"default":"9017"},"retired":false,"rules":{"cart_has":[{"any_of":["2001","2002"],"quantity":2},{"any_of":["2101"],"quantity":1}],"cart_lacks":["702"]},"description":null,"more_info":null,"image":null},"97d3c6a4-0e1b-4f58-b2d7-5a8c4e6f9088":{"incentive_id":"97d3c6a4-0e1b-4f58-b2d7-5a8c4e6f9088","engine_id":"18c7f2b5-a36e-49d0-bf84-7e2d9c5a0688","kind":"offer","display_name":"Free cookie in June","point_cost":0,"price":null,"discount":null,"plus":{"default":"9006"},"retired":true,"rules":{},"description":null,"more_info":null,"image":null},"9b08923d-10c6-4fd9-94b2-b8fda02f34a6":{"incentive_id":"9b08923d-10c6-4fd9-94b2-b8fda02f34a6","engine_id":"781f9c58-d664-4fa9-a8a8-529f035efa25","kind":"offer","display_name":"Weekday lunch soup","point_cost":0,"price":199,"discount":null,"plus":{"default":"9011"},"retired":false,"rules":{"days":["mon","tue","wed","thu","fri"],"service_modes":["EAT_IN","TAKEOUT"]},"description":null,"more_info":null,"image":null},"a94f0d25-3e71-4b86-8f2c-d60e9b1c7a55":{"incentive_id":"a94f0d25-3e71-4b86-8f2c-d60e9b1c7a55","engine_id":"7a3d5e90-c812-4b6f-a94e-08d7f1b25c55","kind":"reward","display_name":"$5 off order","point_cost":5000,"price":null,"discount":{"kind":"amount","value":500,"level":"cart"},"plus":{"default":"703"},"retired":false,"rules":{},"description":null,"more_info":null,"image":null},"b3f1a7c2-58d4-4e0b-9a16-7d2c90e4f5a1":{"incentive_id":"b3f1a7c2-58d4-4e0b-9a16-7d2c90e4f5a1","engine_id":"e4c08d15-2f7a-4b93-8e61-0a5b3d9c7f12","kind":"offer","display_name":"Breakfast wrap before eleven","point_cost":0,"price":249,"discount":null,"plus":{"default":"9019"},"retired":false,"rules":{"times":{"from":"05:00","until":"11:00"}},"description":null,"more_info":null,"image":null},"b8d3f7a1-46c2-4e95-8a0b-2f7c9d51e364":{"incentive_id":"b8d3f7a1-46c2-4e95-8a0b-2f7c9d51e364","engine_id":"9c04e6b2-1f8d-4a37-b5c9-e81d3f60a7b2","kind":"offer","display_name":"Croissant of the month","point_cost":0,"price":0,"discount":null,"plus":{"default":"9023"},"retired":false,"rules":{"granted":true},"description":null,"more_info":null,"image":null},"d05e8b3c-71a6-4c2f-b948-3f9a6d0e1b66":{"incentive_id":"d05e8b3c-71a6-4c2f-b948-3f9a6d0e1b66","engine_id":"c6f19b84-0d3e-4e57-92ab-6b4e8d10f366","kind":"offer","display_name":"Half-price fries","point_cost":0,"price":null,"discount":{"kind":"percentage","value":50,"level":"product"},"plus":{"default":"704"},"retired":false,"rules":{},"description":null,"more_info":null,"image":null},"d2d58443-07f0-42ce-87b3-17d94d1fe09f":{"incentive_id":"d2d58443-07f0-42ce-87b3-17d94d1fe09f","engine_id":"98418117-7906-4596-84f9-794cdd933160","kind":"offer","display_name":"Welcome doughnut","point_cost":0,"price":0,"discount":null,"plus":{"default":"9015"},"retired":false,"rules":{"first_order":true},"description":null,"more_info":null,"image":null},"ed038db4-de38-4784-a6d0-b944a2863a7f":{"incentive_id":"ed038db4-de38-4784-a6d0-b944a2863a7f","engine_id":"03e0a813-bdc2-4e99-a3d2-e49085ef3430","kind":"offer","display_name":"Montréal bagel","point_cost":0,"price":50,"discount":null,"plus":{"default":"9014"},"retired":false,"rules":{"stores":[1001]},"description":null,"more_info":null,"image":null},"f27b3a60-8c4e-4a91-9d15-0b6e2c7f5a44":{"incentive_id":"f27b3a60-8c4e-4a91-9d15-0b6e2c7f5a44","engine_id":"2f8e1c4d-b7a5-4936-8e0d-51c3f9a7b644","kind":"reward","display_name":"Party platter for twelve","point_cost":250000,"price":0,"discount":null,"plus":{"default":"9004"},"retired":false,"rules":{},"description":null,"more_info":null,"image":null}}}');
CREATE TABLE "promo_code" (
	program_id TEXT NOT NULL, 
	digest BLOB NOT NULL, 
	label TEXT NOT NULL, 
	points BIGINT NOT NULL, 
	most_uses BIGINT NOT NULL, 
	most_per_member BIGINT NOT NULL, 
	uses BIGINT NOT NULL, 
	begins_ms BIGINT, 
	ends_ms BIGINT, 
	stores TEXT NOT NULL, 
	created_ms BIGINT NOT NULL, 
	incentive_id TEXT, 
	grant_uses BIGINT, 
	grant_days BIGINT, 
	PRIMARY KEY (program_id, digest), 
	CONSTRAINT promo_code_uses_in_bounds CHECK (uses BETWEEN 0 AND most_uses), 
	CONSTRAINT promo_code_points_positive CHECK (points > 0 OR (points = 0 AND incentive_id IS NOT NULL)), 
	FOREIGN KEY(program_id) REFERENCES program (program_id)
);
CREATE TABLE promo_redemption (
	program_id TEXT NOT NULL, 
	digest BLOB NOT NULL, 
	member_number BIGINT NOT NULL, 
	uses BIGINT NOT NULL, 
	redeemed_ms BIGINT NOT NULL, 
	PRIMARY KEY (program_id, digest, member_number), 
	CONSTRAINT promo_redemption_uses_not_negative CHECK (uses >= 0), 
	FOREIGN KEY(member_number) REFERENCES member (number), 
	FOREIGN KEY(program_id, digest) REFERENCES promo_code (program_id, digest)
);
CREATE TABLE redemption (
	redemption_id TEXT NOT NULL, 
	program_id TEXT NOT NULL, 
	incentive_id TEXT NOT NULL, 
	member_number BIGINT NOT NULL, 
	transaction_id TEXT NOT NULL, 
	quantity INTEGER NOT NULL, 
	redeemed_ms BIGINT NOT NULL, 
	voided_ms BIGINT, grant_id TEXT, 
	PRIMARY KEY (redemption_id), 
	CONSTRAINT redemption_quantity_positive CHECK (quantity > 0), 
	FOREIGN KEY(member_number) REFERENCES member (number), 
	FOREIGN KEY(transaction_id) REFERENCES loyalty_transaction (transaction_id)
);
INSERT INTO "redemption" VALUES('019b8d2b-a370-700a-ade9-371d5bf64422','demo-ca','3e9a71a8-75f8-493a-bb2a-e13f92052427',1,'019b8d2b-9ba0-7da8-8666-b5ce3205d878',1,1767600006000,NULL,NULL);
INSERT INTO "redemption" VALUES('019b8d2b-b310-7b3e-be67-6cd740919256','demo-ca','3e9a71a8-75f8-493a-bb2a-e13f92052427',1,'019b8d2b-ab40-7ca2-9484-b1fecc3d08d0',1,1767600010000,1767600011000,NULL);
CREATE TABLE remembered_answer (
	scope TEXT NOT NULL, 
	idempotency_key TEXT NOT NULL, 
	method TEXT NOT NULL, 
	fingerprint BLOB NOT NULL, 
	answer BLOB NOT NULL, 
	created_ms BIGINT NOT NULL, stores TEXT, 
	PRIMARY KEY (scope, idempotency_key)
);
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-0','SessionService/StartAnonymousSession',X'0200317181EF792477A9907B38D5E416E2638044702D3865318788A14053D741EAF4',X'A5F7F6F2CC24FF1CFAC9F6E37DFAB7BE507B9D5D8788186196DAAF84DEAFE50D2B50731ABD2CF277993B6D16A531FAB8AD9514A4A558070A3181944F695340485472D1CD03772BD473557B5586DE362B5828A39AEB309B444327607ACB9C50B00912E9FD2B6A9BD20B7A837E18D383DC4DF96537C863C50C13D879F19D9E146007804105F68E2795EF1C1EB77429287D5E5D1CCC311171446A3BD2D20C0A49DE59CD0A52DA4838945CF2F7AB5D2834374F5DA11E9EADDAA99B194AAE8D5BD2FCCE235CABB935497A143AF70760018A8BE9358139B2863300E7719921FB50DE279B80ED6BE52BA8F62D6BB13731EE325EA9B139BC0D4DB98DAB4378466DBE82292135036668A5B81CEE1C3ED54D50DB',1767600001000,'[]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-1','MemberService/EnrollMember',X'0200303D4728C98189403B5215DF4660201601E259035E8F8BDA24C5FD4D1F68D428',X'9CBFA50FCF69345FE51037F411E31A4DC65563D574F4DABF6B45FE4A33CFC481B50D7B2CFD309DD109742755C51504992219E6C87875F19A5A46F1DA521C19AAE6EB1774571CB58F7734D97CA6307074989EA66B350BD6D0BABDBB9902F3F55C01E14C0B1DE2',1767600002000,'[]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-2','CodeService/IssueCode',X'020069B897C91EE0475A1F6235A79E46A74380DBEAEEAD732D51E2F83BAE585D28C9',X'4214E1337F3A6BC3BA67E1BD41DC5FD86C41FB631E6DEDEFDBA128718B3C43826141FFD231C3FFF5EEE4945735AD59388F03B1B06D4A4DF934EFAB3A5058EFF1010F300FD60457C0832CC4EEBAFA48275F2B0FF87E5B383201F760E398046AAB9D0E6D75F565EC13CDB905305A8B4AF9F0270E01CA155CCCF66BF1FA54DDFF111A65B9892C689AFDEB32E03A75BF72A030195E3CB90877E0E799F8E9729FE1F458ADE11701EBD29AEA08BF2B74',1767600003000,'[]');
INSERT INTO "remembered_answer" VALUES('code:demo-ca','019b8d2b-9ba0-7da8-8666-b5ce3205d878','IdentifyService/Identify',X'027458ED986D67759CB777686765FE9E8AB0D9B36A8D8E84A748EC8A40E51FEAA3',X'F0D621901401C81991EEE496AF03E6AC7CC06DD0315F1428009A73B0446FA96765A423FD2754214A792C37432670B75002B24B5BFCE3AD8B74542A71889550ABB9F961175AF5130386E2ABE3B00C1D7FF880189FD278DD18CA7A389CFABDF77A020DF02FFCCB3620AEAC3E8FC710EC65683E4178DFEB55CD970918D79251EA3F2AB0496352FFE7EC1E8C6C6E356653ABFFD6CC922747BF1BE102A7DF6D849F289B3EAE7B1765898905B9C3486ADA5E97FA3AA976E3A24149C9D93AF5684D1C8728F8555CEC07E9CD2093AFD4C715DD44C814D63A1C22DC31E053D1AA98EC64A72043CE3E3A0E1AE5A4183AD99751D763E2A7483DEC8EB2165411EB86B8E07B',1767600004000,'[9999]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-3','IdentifyService/Identify',X'0200596FBC847184742BB83C4232E9CE53E263EE41CC31B65A50EA8017F24CDFE77D',X'FC1569E78EC51AB9A03A44F53A82F61D16E7029F80F6BE9148DB9F1C6F129972741AD359392272DA0080C35860847134626383F551FE9BF10434457938E61905C7D0870596E5524DD73B7B3AE3AACE063805257F50CCB8CA59978BBCE32A7D49B031D5AD55C66ACBF278B4EF0F72637294BA603C6310D1AA128E23D1C3868B4E584263A331CD015F3B18503D2CD46F3892AA36105ED94686F5C86B077C45F73007CDD257A66EE1ED5AE802CBB817F3D45B30C5AA1B61748BA6269B73DF188EC70E22FF593A22E7B378EF98BFC6E5D197319CDB971B6F003ED682F3911BC3665ACBF1F805667FB668EF4E70F364B926F27E696EBBB1E8366EED331C72D05418',1767600004000,'[9999]');
INSERT INTO "remembered_answer" VALUES('transaction:demo-ca','019b8d2b-9ba0-7da8-8666-b5ce3205d878','TransactionService/Update',X'0200CE15C450133BFC1BA9BE898511C4B3A9FA235010D09D73DF627ED8EFBD0DE2E9',X'F36A2150D96E9CD2575A0170DE4058F3D153CA684B523443F6EAAC35BAC6314037EFE3A08566DB23831D81A3AA5E6458C968A14844B384AB0190EA5B66DD9BAE046711C9AF0C7C4196273CC7108AE579F965F0EB13F3A2A018EB4349E03A64736D0FD26C8CC792ACE49257211D181913C3E4BC063936F1B698C5964CF00A987C056DB3FCD13A1C72F9A41EAC6C5E301849B3E1A4D3786F388E02B70D28BCDEDE2A0FB6C2F0DDDF841455915A1F6C84908F0FCF0A9C3C92AA9EB71C870D34EF1A816AD78FA1D00D9F8D68DCF297D9EA02CC832D765970A80E2C31197537A02C2516BD96D34384F87BA4A5AEBE',1767600006000,'[9999]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-4','TransactionService/Update',X'020017A585BF975EDC2E7CFDDA45D0015659D04970BA03F5F5979421782985AB145A',X'8C95096D0BD9A2742D020FC435111F909F3A9DA7A5B00E0C9A270FA635569B67A150E9E76FCB7CA507588BEA14E9B700AF8D519498754E2B270C76F0B95C10F6FA5276726404EB222DF09520CACDC8C698F77B4FEAADA5824560144D9A8AF6BFB6C1C08383E20A0E1F6C780ED630',1767600005000,'[9999]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-5','TransactionService/Update',X'0200CE15C450133BFC1BA9BE898511C4B3A9FA235010D09D73DF627ED8EFBD0DE2E9',X'120810EE1E8FC8A5F349D0505F54F2DA5023D3BD31B1212B30C9D54D806DFC01194B9314D3FA3D97FBA6D71A6329BD56F5CCD456E650476203F66533AFB2E747139460F2A7EC1AD35449B1AEBA5D28670635A1FB7867C145DA832E5771C684C7CB1A05B092DB03D1CCD3914E586A0509931F38EF8DDA0CAF7420A68B287470FDC465347F21129F2A204468F13D743B29BCFDC3C2CC59FA650CE542D34A15699D1F479A7AC079EF38F9FDB2FBEAF22103582DF3B00D17CAA890A877DB636E5D75B1295FC83647B5B36B26446F937E00089F17268F073764288ECC0A9E3D13F961AB948F8240A6409AFA382D0F',1767600006000,'[9999]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-6','CodeService/IssueCode',X'020069B897C91EE0475A1F6235A79E46A74380DBEAEEAD732D51E2F83BAE585D28C9',X'07553DA2AC1147733ECB40A997FE8BCBF4FF6BEB283405414C7982865B248B943500E5D01805781581C9AF1B6A52F982A2F491944796D5C8C93748178D0B44E744E18DBD3BF545B5ECE55AB9D02F5FD591847DD087A6CE2AA2888B9A8A8F963DEE22329E8FE37949FECAC1FB4247B5C7DC6BF78E6F7BE5E1F478B5A3A71B0E0717E42ACDF48A2F4B47D88574C6ACCAFE647F8E8448C45E613D382B109A029B14F7221413ABEE55BBD5AD67A511',1767600007000,'[]');
INSERT INTO "remembered_answer" VALUES('code:demo-ca','019b8d2b-ab40-7ca2-9484-b1fecc3d08d0','IdentifyService/Identify',X'020F5F1C774C3814DD85AFAF8BE83DDCB5FE102B2875E538ECFBD4E899E8DA9C5E',X'CF13A555C7439EEA77965733DD98D49756E9DB78CFC41742BC4920A14857C295AE04DC7B398EAEEFBF8C9046CC7DEA87BA02BC45177C4C16A2B417285F1B4BBB0186ECD54E6A53D45D0B6C6E9512506B5DDFA659E3940F3A3B76BA26FA6FECCF029860AC081462920C43CAD9710A4594A731F8259643CEAFC5E2182B2C4B01A24218E2903D0013FA9FF800ADB7648DFF016426BB17C28F88D1707252944D0E905ED6C0BAE725DA692EB4BED58341C1F0B171009016C9C18C54454073180E1A2C158B15DABACA6C5821D996524AD9CEDF56E2498C3FD658B1D2C746390ED8D02276615ABE6D2410C1890DB5B2081218E425B99550B132428D68A0F4F9B1C1F7',1767600008000,'[9999]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-7','IdentifyService/Identify',X'0200AAB6A07B5973BDD14A691C5A7A30E54BAFD72F21B4D97D9D544EFC58F3E03E91',X'6A3523A206726881AA467DC87E10526C43D684B9B6781802736D36A7C49B25F0BD13783059AA7C8638B48EEC7831379B1BD472534C64ABB5AE231FFCC279D53AB509F55FDBD84496562CF778C06DB95556EF0C76BE0DB5E4B36FA2843A139549B6BD6E3B8D27A595C6EEC61370ADF868C4DF8D0130E292DD0E63156A597F318F98FD314CE348BF69899AB7418956B9DF2A91414420A8A5D3559A887A850373C6B5782C105B5E0F37D07EC79E8B0B8AF1BDD203760521BF8E48D1B6D892D96CD8504E74738DA200B74B751E571931B7676DD9ABD5F76D56CCADF5C2F8444E06796DC94B0A9987CFE68CC4FF69944CCB80A464ADDBB025EAC12CD86B454B764B',1767600008000,'[9999]');
INSERT INTO "remembered_answer" VALUES('transaction:demo-ca','019b8d2b-ab40-7ca2-9484-b1fecc3d08d0','TransactionService/Void',X'',X'005A047B49F5C5717D81A3AB4CBB2EEEC3CC814BA3FCF1C155FFBBF9678ED5390A3EEAE848475A97F7DB88D5F94690A80B7367E757B487BDC6CE2F395DC57740EFE40A84FC3E367DAEC7EA7AB958FB04A435F034C46C90EF41A4E2D6D44479DBDBE4068976C30EE21FAD36EA821989B0',1767600011000,'[9999]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-8','TransactionService/Update',X'02004915FD92EFE62CA8401600EFF481CB9E97034F43BE016E905CDCEFE67BA25F5E',X'D27B535EC8F4E4D647569F004EA1C7F6925A11862350340D7555F3B8EA731A5E09A03F05E60EDE474AD314A4CDD87017F17FE57606D48AF80C7FACFA8B1B3A2D705286AF7C3A9DFFB10661BEC9B2A1F5DDB864A25271152870F51E4738CD736056049517894CFD19E4C9AD5498AF',1767600009000,'[9999]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-9','TransactionService/Update',X'020039CE36C809C454F9E0729506CCFDF1A7943AB6C2C59AB73484EEBF4A55F19DEE',X'FD7B3B28309D9F55DC8B7A92F16A4381A9672CCEF9184182B42A3E610FFE59A4552D3631634258D4F368CA1442E2139017BE1B25EF6B927D86419DBCCD52F4F9E009D32CE4C7D9348636F829582E0A155BDAC54B432DF1CBC3D4EEF6CFD82640E7BC07EBA8891F992F4FD93105B7D7BEC17AB62D131DC9AF5E0B7F5AC42654780D0E714E0A63EC558A5AC5FACBCD97C2B5BA10B7387162D787422FD6B23FC52F818FE2A30E49A5FCFBA20DFF028029CA7E6A346D0AB77CAEF609F5C55D566D0DA1F9387B605F3021DA83CE974D9C0731DEC7F827E40515128E2A3AF8151B809F89A1037B3479E910D5725444',1767600010000,'[9999]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-10','TransactionService/Void',X'02003B71A2C0FEC7D694E12A1647C7C5EE45FFF0AAE75CFD89FA32917BD1CAEF2B36',X'DAE13CD8CC6922731E63EA627BC4FD985C0577EAD6375B63E885E02AB10EB5355011E614CE3516889B4E10FE6E0DDB948D678CE865FDB6C3E1572DADEFA0AF1C1839E7F7E558ABFFED63323D964E041779F3D6BCCF93B0EAEE60DDC738AC5DBCCB77B202F87C9ECA44DA8F1B67255B58',1767600011000,'[9999]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-11','CodeService/IssueCode',X'020069B897C91EE0475A1F6235A79E46A74380DBEAEEAD732D51E2F83BAE585D28C9',X'20EF6F74B4EE93EFAAF06D97346A4A552C03C5DC08CEB7F4A7A32EC053BF51BE2974C01A1ED325F65742B02D93FBF0F6BF4858FF24AF72CE423654997AF84AE9EFABBBF08D280D7C0E7A6ECB8C2C6C14D045D115B91F3CFBB20AE6B8F0FF7DF5F9B37E350AE22A37075D1BE5DA3758F42D1C4B7747201DADFC034241069767D07217100BDFF4B191A2140C1BA8523231AB38258E200C94D93BE9A21AB51BF3641F923836943D418105CC3C7A6E',1767600012000,'[]');
INSERT INTO "remembered_answer" VALUES('code:demo-ca','019b8d2b-bec8-70fa-a981-a057ec323070','IdentifyService/Identify',X'020E8F07F6BF4FAA23B37F8335300E8403C0117B1AA81A1E13F7C604B350D2E2AB',X'A36E79019714CF99FE14DA5818652541D68B3ED60EDDAACB5EC81DA886A3C33C67AFF0449F6DCA8F121BAEC7A005E5225DE8CB21DC60D73D9CE0D0591C9271435F749EDF5B6D279E510CBB5A3E4E0F5ACF5F99A5EC0E903DBBDD6B89C5E311706EFBA9BC8AB7B8F2EAB71932B925ED3DEBB082769256597422CA50714D90C359E1AC2E94687E377EF341A02BC0CCC378B337511C5CD3B02FEF974E5B91BBCB210CE74DC1D524A57C4ACC98787ED041ADA633F68E5618C34FDB6B854116C5EDD495496FF5D0DB1D7AC174069B30F52C3755EB8FFC0F3718C00193DE24A473E2D8F6D0A8C92C4BE9C4C2CA9408F5A20434FCFA7027173B7EB9447BFE8831A2EB',1767600013000,'[9999]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-12','IdentifyService/Identify',X'02001402CFAD7A01A80290F5F97F475889B5D515BAB9473707017E4492710EA6CE67',X'FDDB958420E4FF9C7E7DB74CE6FE3FB96AD3F7CE7EC76718033A3FC54B61EE65FDB13C4184395720D48B446BBAF5B9E2DF021F95992F63CF5ED8C11B295850E75366007B686B0AE89697EFD3E1C4F30F1D9A898B0A36C7766853E406A54465B1A76D26E3B8DA23737264D404FF0826D1548EAC853104F224DEEFA4AEB0880E4699F3698606D9FE5F892197F6D4B047B0A6A0F8FFD8786B90B7DCA5A437CFD41B109620FBD6CAA04C6B16355F32CCF2237D8C0914D35495B5EEDA067412EC15B5C692A719C77B905B3C84D7DEEAF4137F4A65FDB12E1EABAF63E8C8ED410D861ECF563B08A8CF385E631D4D7846B672EB2C2E93FFED2E4F31F137C848277B61',1767600013000,'[9999]');
INSERT INTO "remembered_answer" VALUES('transaction:demo-ca','019b8d2b-bec8-70fa-a981-a057ec323070','TransactionService/Void',X'',X'ECD3A4CDEE19BE8AFB105F5A7D905A49A4D84982E075E63211E45906AF5E5C7607FEFC82CEB92B3C782EFAD61026E12061B53FEFEE10274BA4260FD6791D9901240F75E186BAD68526D43650328A3076028F90953E70641C963ECC297362200B3912A4700410E9106F7FCC302A8E',1767600014000,'[9999]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-13','TransactionService/Void',X'0200573DF488CB07E6B7501E48AB3B01260AF3F50955838761988F19730E2A6DCD51',X'A7F3507298979919FDEAE3D8CE251D6AC6E9DC861CFFCAD5576258EB3AEA87609621D28002931E856EF8F54B3F4C7F4D04739B57B5B63F6C5257483892698DE940D6B5BF77881B0C7D30AAE92F244192F8C024CDB823A7627DDC4DA7C1443C26F698DFDA21B4E65EC82639E30ECA',1767600014000,'[9999]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-14','TransactionService/Unclaimed',X'0200951F69E999B52AB7C9308C50AFBEA4329D90309AD8B8C42129ED63AC186321DF',X'115B7996021880FDF38AD2EA60CB3822646CDB0C9B445785E355460DAB91BB73D1016C2B975157B78E256ADA885989BAB53E29130B3D989F7B524F82CD11A086550D568D7351DED19AF574A1CA5D94F81DFDF373D442D05A238A9EE8F734F8E6D5C1FFEA3F47ADD90973BD6ED01BB395C2A4E25386B1DEE924EF055A95572A2A51B872B594FED6E7256A3B50A2407E359047E3E7DE01A8DEEB6A9B0CF245A5DDECEF0F31621291009F7657626C1126F5829A9D32BF10A7275183E533669A23728E1A636ED88F0C827994A45D43C44EB5137776F7D4539846FBA9907D51D0BBF321',1767600015000,'[9999]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-15','TransactionService/Unclaimed',X'0200951F69E999B52AB7C9308C50AFBEA4329D90309AD8B8C42129ED63AC186321DF',X'F399A88C920C956EB4FC95DA04AE6EA5B5D1DAD34C52ACE587185D47B49FBEECC4D6B0C8D1962C08DCA476DBE124523AF58EB67D900E3F36087229051211976F4FE4DC608C5EA91634FB732731E18B23CE4DCB025751E8D09E9AB8D9608791B7D2B35EE33F299042FAA4823920C64F7C78A11CFE6AEFF1C3D13548E22885FCE42D28D7FAD6F7F1227A607F730DD3CB18C34016E4E58D44E287A654B92E78F3E2FAB05E98A2CBE5374D819711A9A4B59E84B53C11D7812615B9C8AEC3C6385B8883A4B462032D53EDCEC3405F7AFAF29886BAFFCC8FA0C03E30666AACAB9E8A94DB',1767600016000,'[9999]');
INSERT INTO "remembered_answer" VALUES('transaction:demo-ca','019b8d2b-ca80-71fa-a87b-f1cb29f1d00b','TransactionService/Void',X'',X'EC8FF7E21B38D9101CDE172D5A8BB97B82545C04EE917DAEEE91CFE2372A0C22461F0E584F37761992BE19BF3ED1BA492A2307A805C47D373DF016C070E088A5F1EE',1767600017000,'[9999]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-16','TransactionService/Void',X'02009CB93E078B2BCB0958D0308193EC770E9C9FBC8974C38C8CA88665E771E8E8E4',X'7121EDE12835088DECAE324C446E27C2472D1D4113C4E32216DF9EE8EBAC1FE965221657CFBFCC4419350E95E86B492D2B0C350A8CB2C5468B9BC52B105EAC0994DA',1767600017000,'[9999]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-17','TransactionService/Unclaimed',X'0200951F69E999B52AB7C9308C50AFBEA4329D90309AD8B8C42129ED63AC186321DF',X'3D8E0468C0FE1DAC4E9E0CB54B28E38E8798AF89BD1B2AB0A3BB283F7C2F2317A636B2A1FFD58D1B627F343F2F07D5F85362D3A8C68F56AF2E798FA7858BF2B2480295C39E5BDA1F261F90A3AF8FBF2FAA637B49BEF0861892646703BD3818B43FA9C5C9F47B2D239878FB24BE4C038C61E1EDD4BBB6D1C1D08929528669DDBE2BB2F009105C525A7A3178DF43879F8BAC5ED59CF092DFCDBC2F6424A115CC95FFF799434D2389762E073C3FFF58A58DA4E7EE525AC23910013848CA01D54F3DA862866174B8F838E1CB72F636D5F0C195C5FE56785A4FCDFB84E5F95FA3DAE753',1767600018000,'[9999]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-18','TransactionService/ClaimReceipt',X'0200C095FC72E5AC7FE8DC3B51B15049BD40AA7C13F7CF6773434B957CED65551D4F',X'37D1E0EFE1BFBF8B83CCF8670976971612EB3B7DFE39C5E7BD308B6171078C623AA6F722C9B31100B8ECC06678D4A6177E04D17CE4B621978A49A913E5A1EED7101D727E54EA797143B0FB68BAE9DE42D49EC52C4971908E4C6B9389B86CC5E852F14EA33D6363F4BAD8B0B841',1767600019000,'[9999]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-19','CodeService/IssueCode',X'020069B897C91EE0475A1F6235A79E46A74380DBEAEEAD732D51E2F83BAE585D28C9',X'E7F9324E16150BEE25A29B19AA1008CC9870E834EEF193B56717715A7CE3E51F78B70BFBE926A03C23CA1E1E026DF7F64163AE427F876451FCD7A6A3E847B1BCE82C3D01A9C39ABEDCBC12EAC2C3FF56C43F52CAE11466175E5086C34685A2D64BCC5AA34A080E1DA964689D074A8BBA8E28A4C25C69BC4988D63A0792D8CFB63058698F9CB99B5BFFE807F79FE81302B312B3EF4852D1ACD2C219950C390D65D0A22AF04D2D23D60A9CFC4C6E',1767600020000,'[]');
INSERT INTO "remembered_answer" VALUES('code:demo-ca','019b8d2b-de08-7862-ba91-87d13a7c704d','IdentifyService/Identify',X'0257B16106D68FFE4D44397E72AC5866643D4BBA338D23138B4A4D55C69A57B5D8',X'6AC80099952C8E29A440D47AA6B9116BFF06BAE308FB622C274A3AD6328DA556904354722348435953E26C12B2D4C0DF9FE2C8560B4915C213BAEA5FCBE6C8DF7A844C8903DAD6D1717C442E137BD9A3E5BC1E16DFB29AB1A31370E5F0724A111D4D5EB003253F13B7C50CB2091105587ED46DA370E18F6013BF8ABBEE2FDC4D9045A77FECB25BFBFED0E7FF88BA3D2EA763E6D13E50D799981277EAE2234E27585C81020F0C1D775E9D6CB28642A5C2AD2DC369DE77B592B3F8C9E5C4A1723358A7475CC79DF66C9F3D1D9D3E43CBF443B227E6389BB3DDA10CD7978CE30F3A82C9A8F70533553EF37B4BA21DE217DD11D7166897189D7BB3E8779BDA8079',1767600021000,'[9999]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-20','IdentifyService/Identify',X'0200D1A8CE3D515B4D6BB36C717260B70D06A32FE25CC9601CB96F5251EDBC7114A1',X'BC0D5A232315A4339393A5FCB69BAB01EBBA56211A63EA0ADD08ABE3259D9B384274C3D7F9B0822CF3855B9C3983161BDA017E44D18419BC4ABEF96653C9B54B4E1BA361A29EE9BBE237BBAF0431147CCBC94210D1A5D81EB8D22770E82D20CBA4708E0DC4ADD6AF5A2994327BBE48D8B0D3F7D2EFAB7E2600E3643009F7AE917DA64ED6D9C3895F56981C7A81D09D6D2D9807E0863EF1AEB237AE7274FBADFF1013C7D9AD24E0F0CF8BDC98A3C8B87C9AD26A200F7F9C8F5E582E5AF9497ACB55B9D6F87C6768B3A8BB325B3EB91EB91AE297CB6E189F63817310D8E609C564CD598AC09BAFC22F864F2DC711A92B01B643BABBFCBFF3540EABA91CDDBBA9',1767600021000,'[9999]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-21','CodeService/IssueCode',X'020069B897C91EE0475A1F6235A79E46A74380DBEAEEAD732D51E2F83BAE585D28C9',X'67E2938805CAEEA4D238FF0CAEE9CF890CEA0792F73C372D1D93C1FFADCE114D442B376507042158A5A98296C41EE40D4A1073AA823190960F9BA5516CEA5F94F8DEB035F63A545086C0D6A4446112563E22202DC7EFE9ED341DFAE8615E3BB733DC7121A2A8195A64984FE9EE63904E92542A8A602F1EA54C8D6ED0D73F212CD44076FCBC66303BE382F7C50F3562EF0BBE2F4EF790534080CF9115AE428C6C409E0A92A211B60112B10FE510',1767600022000,'[]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-22','CodeService/IssueCode',X'020069B897C91EE0475A1F6235A79E46A74380DBEAEEAD732D51E2F83BAE585D28C9',X'29F32E11108A329E62F9DC66D4115E07962B9CABE9B9FE4C92F9833F82D1A511D43CB79988A92221FFBB3B25926845AFFA7DB2B708A52B17BC2B88A61C359D3E19B7ED2A1C27D535F7CE8B79BA0DF800AC1AEAB0F07D90280FF599DCBBF6E9CBD580D97A6ED5AA0CC466B5E24C1BA0CE1EEBB4F389A97C986A17E566F6E843391894B4637596A68E92148CCF04AA4432300479289D8B66F7A2F07F2927E381DE1A23AE204A7C9971B630E25B1C',1767772823000,'[]');
INSERT INTO "remembered_answer" VALUES('code:demo-ca','019b9778-a1c0-7f78-b05c-9c5add04784b','IdentifyService/Identify',X'02C7C3BE44A7F600C8877FA164953C9FC6396D7536331A6C198A1D2E9561E413AD',X'E6F8CAD31DE1707D2860C1F893B6D3F9B44B0FA459CCE8C46D0DACB8D306F39C9C742B3453819D2228840FE47343038749CF0995F5E0016F6E1187761A2DAF1EF8838178E543D3294B47957E7FEB74737B3BBBE1215FD513886CB5DED7DEBE6CC7059DD15A923EFAB02871139AB434098D56E34EE8753EFDA3DB1EA4DFD2724604C79E9D6468FE281AF6E3978DFC284EC8ED4163F52828A6AB64C9D16D279D57DD8C71FB2AFBCF97B84DD6911EEECC8EC3B7151CC72095A97DADEB50725F2EAF71D7965EB9FEA80FEFB27E32DADD671BD77DA8A8527DD3C4BAAD62E8B33F24B02921D8EB6DB66ED25CD09D8B27985413B786EBD9D2F316383446ED7B7DD348',1767772824000,'[9999]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-23','IdentifyService/Identify',X'0200058E20271B091BAFF9E05F9DEE4518E3C4D40CD1C2F3DD2D5424646B48373908',X'2C07C1959EE41DC413D9457B52F86C0EBC38CEE0A2DD34113A145CD090E385C29656394E5A5A0BB0F5D6D397531F460D713EB39136338CD10AE77ECF7FEAC5692A4148D00C2ED6113C49917B8C186B45B85DB4C2534CC76DBBCC0C4954181FDD4B0720E4CF3CCA6CF70F7DEE2B639BC63CB894C450728D4527554A2D5E33D0E8D63C1FFCAE9D898643D83CD31D3400910F7F649D93589CBF60680D308D1A0DD9A6C41461529CEE3B7A1A4CB6FAAC90BFD3C6974535D5D15C3F1DB7B856FF418B7E78C3B2956F51E6E2BE4B03170677D332774B992B1C74108BC142F6CBC5D96F94AA2580ED5BD4801C1F36F7F9134784431D59C5063071126E2870C8C60E2F',1767772824000,'[9999]');
INSERT INTO "remembered_answer" VALUES('demo-ca/partner','key-24','CodeService/IssueCode',X'020069B897C91EE0475A1F6235A79E46A74380DBEAEEAD732D51E2F83BAE585D28C9',X'0AB7DA974EBA05E21B7818FEC56C4BA4FFF0F04C4DD24542F7F493E34CEB023F67FBA8055D9D64A3E0537A4556084D1339695C8022ED72C75A1F2FE67EA056C30D0E41B81AA75AB8409C4A1AFCC2F9632A79156FC21C280FEE8D96DE08A5B820F92923E66C1BEFD2F13204C1F5801C3FF15F9A188784777BA1219BD58AA18104B28CF4FA6683924455E04C2567CD471F088435B50FFED5075A0519829AEE3499FCC054B754A9C487D34E758CB3',1767772825000,'[]');
CREATE TABLE repair (
	repair_id TEXT NOT NULL, 
	repaired_ms BIGINT NOT NULL, 
	reason TEXT NOT NULL, 
	changes TEXT NOT NULL, 
	PRIMARY KEY (repair_id)
);
CREATE TABLE reservation (
	transaction_id TEXT NOT NULL, 
	incentive_id TEXT NOT NULL, 
	point_cost BIGINT NOT NULL, 
	program_id TEXT NOT NULL, 
	member_number BIGINT NOT NULL, 
	reserved_by TEXT NOT NULL, 
	store_id BIGINT NOT NULL, 
	quantity INTEGER NOT NULL, 
	first_order INTEGER NOT NULL, 
	reserved_ms BIGINT NOT NULL, 
	PRIMARY KEY (transaction_id, incentive_id, point_cost), 
	CONSTRAINT reservation_quantity_not_negative CHECK (quantity >= 0), 
	FOREIGN KEY(member_number) REFERENCES member (number), 
	FOREIGN KEY(transaction_id) REFERENCES loyalty_transaction (transaction_id)
);
INSERT INTO "reservation" VALUES('019b8d2b-9ba0-7da8-8666-b5ce3205d878','3e9a71a8-75f8-493a-bb2a-e13f92052427',800,'demo-ca',1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9',9999,0,0,1767600004000);
INSERT INTO "reservation" VALUES('019b8d2b-ab40-7ca2-9484-b1fecc3d08d0','3e9a71a8-75f8-493a-bb2a-e13f92052427',800,'demo-ca',1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9',9999,0,0,1767600008000);
INSERT INTO "reservation" VALUES('019b8d2b-bec8-70fa-a981-a057ec323070','3e9a71a8-75f8-493a-bb2a-e13f92052427',800,'demo-ca',1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9',9999,0,0,1767600013000);
INSERT INTO "reservation" VALUES('019b8d2b-de08-7862-ba91-87d13a7c704d','3e9a71a8-75f8-493a-bb2a-e13f92052427',800,'demo-ca',1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9',9999,0,0,1767600021000);
INSERT INTO "reservation" VALUES('019b9778-a1c0-7f78-b05c-9c5add04784b','3e9a71a8-75f8-493a-bb2a-e13f92052427',800,'demo-ca',1,'019b8d2b-8c00-7ee4-9e83-0047cc0ed0d9',9999,1,0,1767772824000);
CREATE TABLE server (
	server_id TEXT NOT NULL, 
	clock TEXT NOT NULL, 
	beat BIGINT NOT NULL, 
	heard_ms BIGINT NOT NULL, 
	offset_ms BIGINT, 
	under_way BLOB NOT NULL, 
	peppers BLOB NOT NULL, 
	PRIMARY KEY (server_id)
);
CREATE TABLE session (
	program_id TEXT NOT NULL, 
	correlation_id TEXT NOT NULL, 
	status INTEGER NOT NULL, 
	member_number BIGINT, 
	external_identifier TEXT, 
	channel TEXT NOT NULL, 
	locale TEXT NOT NULL, 
	anonymous_flag TEXT, 
	created_ms BIGINT NOT NULL, 
	updated_ms BIGINT NOT NULL, 
	PRIMARY KEY (program_id, correlation_id), 
	FOREIGN KEY(member_number) REFERENCES member (number)
);
INSERT INTO "session" VALUES('demo-ca','visit',1,NULL,NULL,'STORE','en-CA',NULL,1767600001000,1767600001000);
CREATE TABLE store (
	program_id TEXT NOT NULL, 
	store_id BIGINT NOT NULL, 
	document TEXT NOT NULL, 
	PRIMARY KEY (program_id, store_id), 
	FOREIGN KEY(program_id) REFERENCES program (program_id)
);
INSERT INTO "store" VALUES('demo-ca',1001,'{"store_id":1001,"name":"Rue Sainte-Catherine, Montréal","time_zone":"America/Toronto","loyalty_enabled":true}');
INSERT INTO "store" VALUES('demo-ca',1002,'{"store_id":1002,"name":"Granville Street, Vancouver","time_zone":"America/Vancouver","loyalty_enabled":true,"groups":["west"]}');
INSERT INTO "store" VALUES('demo-ca',1003,'{"store_id":1003,"name":"Water Street, St. John''s","time_zone":"America/St_Johns","loyalty_enabled":true}');
INSERT INTO "store" VALUES('demo-ca',1099,'{"store_id":1099,"name":"Airport kiosk, not yet open for loyalty","time_zone":"America/Toronto","loyalty_enabled":false}');
INSERT INTO "store" VALUES('demo-ca',9999,'{"store_id":9999,"name":"Sandbox store, Toronto","time_zone":"America/Toronto","loyalty_enabled":true}');
CREATE TABLE transfer (
	transfer_id INTEGER NOT NULL, 
	source_id BIGINT NOT NULL, 
	destination_id BIGINT NOT NULL, 
	points BIGINT NOT NULL, 
	cause INTEGER NOT NULL, 
	transaction_id TEXT NOT NULL, 
	note TEXT NOT NULL, 
	effective_ms BIGINT NOT NULL, 
	recorded_ms BIGINT NOT NULL, 
	source_sequence BIGINT NOT NULL, 
	source_hash BLOB NOT NULL, 
	destination_sequence BIGINT NOT NULL, 
	destination_hash BLOB NOT NULL, owner_kind INTEGER DEFAULT 1 NOT NULL, 
	PRIMARY KEY (transfer_id), 
	CONSTRAINT transfer_points_positive CHECK (points > 0), 
	CONSTRAINT transfer_accounts_differ CHECK (source_id <> destination_id), 
	FOREIGN KEY(destination_id) REFERENCES account (account_id), 
	FOREIGN KEY(source_id) REFERENCES account (account_id)
);
INSERT INTO "transfer" VALUES(1,49,65,9000,3,'','test',1767600002000,1767600002000,1,X'1CB188DE09656EB246C4C2822DF435BB1E6F05E4DBF6962F17CA8997C97DF879',1,X'1CB188DE09656EB246C4C2822DF435BB1E6F05E4DBF6962F17CA8997C97DF879',1);
INSERT INTO "transfer" VALUES(2,65,66,800,1,'019b8d2b-9ba0-7da8-8666-b5ce3205d878','',1767600004000,1767600004000,2,X'9086A333457EBF428E342C9A22971DBC3F8F141433E2D02FB373F312D6813FD9',1,X'9D93E4496554566C00FD07D71FD8E2474DDE29A35FD67E0FEDFFAA03130A628C',1);
INSERT INTO "transfer" VALUES(3,65,66,800,1,'019b8d2b-9ba0-7da8-8666-b5ce3205d878','',1767600005000,1767600005000,3,X'BAFC5EF515802F1F77E1368FD605D31DA98BA91AE2BA36DCF91CD402DEBC096B',2,X'1A6115174FA4EA1D2DF20BAB34BB609E0AE8DDF95AE8814970A307F897614905',1);
INSERT INTO "transfer" VALUES(4,66,65,800,2,'019b8d2b-9ba0-7da8-8666-b5ce3205d878','',1767600006000,1767600006000,3,X'8FB13CE3632A685B5E39D382EE1B8040563D27AC3D0CED59CA936CD6B8948C87',4,X'1181868FE8AFC0031C9BC40F25F373AF2E1BDDFA35A3DB675539E2C42CB14632',1);
INSERT INTO "transfer" VALUES(5,66,17,800,4,'019b8d2b-9ba0-7da8-8666-b5ce3205d878','',1767600006000,1767600006000,4,X'18000F015D2A6ADD9F952E12777F81CDBA3D77F1640EE733413BB4EFAED916A0',1,X'B0B2DB74672DD8F48C3BA68551EDFE6DC203BADADE0EDD8A8DB5C59F1F7BEEDE',1);
INSERT INTO "transfer" VALUES(6,1,65,84,5,'019b8d2b-9ba0-7da8-8666-b5ce3205d878','',1767600006000,1767600006000,1,X'C26943B1B7898BCEE499C2DFEF624E79EDFA78A08CB4263BBB94A6629F009C22',5,X'5D6D01A10D7215674C13C3E56CB532983087AD264A3796EF0FB1AA12192193CB',1);
INSERT INTO "transfer" VALUES(7,65,66,800,1,'019b8d2b-ab40-7ca2-9484-b1fecc3d08d0','',1767600008000,1767600008000,6,X'FF20704A8D06B60FBECB4095DBCE50C87D1AC291D863B21ADE3D5BC6FA964066',5,X'DD87715B2D98C2BBECAD3A587FBA8466E3C22883414FD0DC646C7C8DC73CEBFD',1);
INSERT INTO "transfer" VALUES(8,65,66,800,1,'019b8d2b-ab40-7ca2-9484-b1fecc3d08d0','',1767600009000,1767600009000,7,X'A7ECD48A946F37E50639AED061D169B4A1E442DDCE553838ABA32989B8881940',6,X'F4EFD42DAF8AED2C734B438090451358E435F314D29208A0C72556449156BADD',1);
INSERT INTO "transfer" VALUES(9,66,65,800,2,'019b8d2b-ab40-7ca2-9484-b1fecc3d08d0','',1767600010000,1767600010000,7,X'09E29FE381AC80C7F285E2F0428F87BC94A2061AAF0969D543FDA85424970CF9',8,X'7BAAC51C899B6472D17194B2F7D5D5BE8B248C1805E6EDA87ECD05204C7D9E22',1);
INSERT INTO "transfer" VALUES(10,66,17,800,4,'019b8d2b-ab40-7ca2-9484-b1fecc3d08d0','',1767600010000,1767600010000,8,X'CC462FC484C9365F54815B6F7DFBBAC7734B54ACC84913EE8A174918D61EB063',2,X'D5C97D231EC9EE5981B1C507C266F6646FC7970B09A44D74B9B80EA4AA454FD1',1);
INSERT INTO "transfer" VALUES(11,1,65,84,5,'019b8d2b-ab40-7ca2-9484-b1fecc3d08d0','',1767600010000,1767600010000,2,X'9156D10ACC7248B91631C039653AC5B50B371E769766C6EBB68F3A9AB8E8ACD0',9,X'80CDF1080342B3B414E1209AEF08FD05ACD613BB708665A367DA767DCD29C6DD',1);
INSERT INTO "transfer" VALUES(12,65,1,84,7,'019b8d2b-ab40-7ca2-9484-b1fecc3d08d0','',1767600011000,1767600011000,10,X'F3C884D583CDBFA406BAD7C0E76E12FADD1A1DF112F2702E15787DD7A74F03E7',3,X'75B669223958A728A96CA937EEE416D79CABAC1D964F2EC1C80EFBEBEC5BA31A',1);
INSERT INTO "transfer" VALUES(13,17,65,800,6,'019b8d2b-ab40-7ca2-9484-b1fecc3d08d0','',1767600011000,1767600011000,3,X'993873292F85249B47F7F0862E09BCD474A6AB9360567A1CAC85532538C544E8',11,X'D03893A8ED7AFC64E172A2E752B87969332360848E413A416DBBC8D4AF10B567',1);
INSERT INTO "transfer" VALUES(14,65,66,800,1,'019b8d2b-bec8-70fa-a981-a057ec323070','',1767600013000,1767600013000,12,X'BB4C71A922CFB6737B81E51272827F2121C54CF13AAEC360C63251399F081547',9,X'CC17E3C3F9D9E948CF7C74532C01F27BBEDF82F69C80AA280AACEC6E77AF0789',1);
INSERT INTO "transfer" VALUES(15,66,65,800,2,'019b8d2b-bec8-70fa-a981-a057ec323070','',1767600014000,1767600014000,10,X'63A248E014C72D1EF594720AD2FB1C96515B22B3A8049ADBC92236C5A2075E5B',13,X'9479DDC919C41FA1D6EDA50B9AAE34715EF4F588E496743AAACE1F6CFA8F9911',1);
INSERT INTO "transfer" VALUES(16,1,65,125,5,'019b8d2b-d250-7657-9ff3-847d9be96cb1','',1767600019000,1767600019000,4,X'066F8896957EE6B060845DD50200FD56E9D6A70F3751D6984A904E9A82467A2A',14,X'EB6342E04B1CDF098920E6FBC6981E8591B588B4CAD3DD67572CFC6752B5A075',1);
INSERT INTO "transfer" VALUES(17,65,66,800,1,'019b8d2b-de08-7862-ba91-87d13a7c704d','',1767600021000,1767600021000,15,X'E69274082F95D06DD4FA850DB711D1CA84950E3FBD5AA079973690902EA78A94',11,X'9ACBB889CE44A395F4353D8C859172B01C1372E660177EA63DC3347CBEA3E352',1);
INSERT INTO "transfer" VALUES(18,66,65,800,2,'019b8d2b-de08-7862-ba91-87d13a7c704d','',1767772822000,1767772822000,12,X'94D05B890C681DC8FB194722006FE01279729EEBF2F5F8C694949598E8E1743A',16,X'7E861320F73A5BF9A114D5D9E354EAF2C745E08D6A4CF7C3111E0EC88925DA71',1);
INSERT INTO "transfer" VALUES(19,65,66,800,1,'019b9778-a1c0-7f78-b05c-9c5add04784b','',1767772824000,1767772824000,17,X'25F97566A5F71C436A7B4CC0D51370F52935349FB551D131EE4A89934DBB7462',13,X'E03A0D4F59488B39583C4BC542801CC9DD791D30D1E63A14C853BA974B0181EC',1);
CREATE TABLE wrong_code (
	scope TEXT NOT NULL, 
	digest BLOB NOT NULL, 
	failed_ms BIGINT NOT NULL, 
	PRIMARY KEY (scope, digest)
);
CREATE UNIQUE INDEX member_loyalty_id ON member (program_id, loyalty_id);
CREATE INDEX code_pending ON code (expires_ms) WHERE status = 1;
CREATE INDEX code_pending_of_member ON code (member_number) WHERE status = 1;
CREATE INDEX transaction_claimed_by_member ON loyalty_transaction (member_number) WHERE status = 2;
CREATE INDEX transaction_pending ON loyalty_transaction (expires_ms) WHERE status = 1;
CREATE UNIQUE INDEX transaction_receipt ON loyalty_transaction (program_id, receipt_digest) WHERE receipt_digest IS NOT NULL;
CREATE INDEX redemption_of_transaction ON redemption (transaction_id);
CREATE INDEX transfer_destination ON transfer (destination_id, transfer_id);
CREATE INDEX transfer_source ON transfer (source_id, transfer_id);
CREATE INDEX code_tally_hour ON code_tally (hour);
CREATE INDEX wrong_code_failed ON wrong_code (failed_ms);
CREATE INDEX code_refusal_until ON code_refusal (until_ms);
CREATE INDEX limit_tally_since ON limit_tally (since_ms);
CREATE INDEX code_month_day ON code_month (day);
CREATE INDEX code_regular_counted ON code_regular (counted_ms);
CREATE INDEX reservation_of_member ON reservation (member_number, incentive_id) WHERE quantity > 0;
CREATE INDEX reservation_of_incentive ON reservation (program_id, incentive_id) WHERE quantity > 0;
CREATE UNIQUE INDEX account_of_program ON account (program_id, kind, shard) WHERE member_number IS NULL;
CREATE UNIQUE INDEX account_of_member ON account (member_number, kind) WHERE member_number IS NOT NULL;
CREATE INDEX transaction_order ON loyalty_transaction (program_id, order_digest, status, transaction_id) WHERE order_digest IS NOT NULL;
CREATE INDEX hold_of_transaction ON hold (transaction_id, status);
CREATE INDEX redemption_of_member ON redemption (member_number, incentive_id, redeemed_ms) WHERE voided_ms IS NULL;
CREATE INDEX transaction_of_member ON loyalty_transaction (member_number, transaction_id) WHERE member_number IS NOT NULL;
CREATE INDEX points_assignment_of_member ON points_assignment (member_number, assignment_id);
CREATE INDEX bucket_of_member ON bucket (member_number, gone_ms, earned_day, bucket_id) WHERE points > 0;
CREATE INDEX bucket_gone ON bucket (gone_ms, bucket_id) WHERE points > 0;
CREATE INDEX grant_of_member ON member_grant (member_number, incentive_id, last_day);
CREATE INDEX promo_code_label ON promo_code (program_id, label);
COMMIT;

module larder.invalid/unicode_tables

go 1.24

"""Files on servers: SFTP, SMB, WebDAV."""

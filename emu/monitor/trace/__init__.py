"""What a machine did, written down: records in frames and files, what starts and stops them, who called whom."""

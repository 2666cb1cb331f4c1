"""Live streams: what pulls, holds the time, and pushes, around the stages that files go through as well."""

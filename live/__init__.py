"""Live streams: pulling sources, keeping time and pushing to targets, around the stages that files share."""

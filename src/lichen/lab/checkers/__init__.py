"""What must hold in a world, looked at while it runs and when it has come to rest."""

"""What a mesh on one machine needs: PostgreSQL, a broker, and a supervisor for its parts."""

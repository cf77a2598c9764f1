# docker build -t thesis . && docker run -it -p 8888:8888 thesis    # JupyterLab, with every notebook ready to run
FROM python:3.11-slim
RUN apt-get update && apt-get install -y --no-install-recommends make gcc g++ git && rm -rf /var/lib/apt/lists/*
WORKDIR /thesis
COPY . .
RUN make .venv/installed
EXPOSE 8888
CMD [".venv/bin/jupyter", "lab", "--ip=0.0.0.0", "--allow-root", "--no-browser"]

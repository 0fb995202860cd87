# c3 on a CPU, for pictures, videos, sounds and sentences.
#   docker build --tag c3core .
#   docker run --rm --volume "$PWD:/data" c3core run photos/captioner photo.jpg
FROM python:3.11-slim

WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY c3core c3core
COPY plugins plugins
RUN pip install --no-cache-dir ".[gpt2,photos,audio,video]"

RUN useradd --create-home c3
USER c3
WORKDIR /data
ENTRYPOINT ["c3"]
CMD ["--help"]
